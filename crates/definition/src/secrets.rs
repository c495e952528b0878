//! `[secrets]`: secrets that are in an image on purpose, about which nobody need be warned.

use serde::{Deserialize, Serialize};

use crate::names::Reason;
use crate::{Origin, RootPath, read};

/// An entry of `[secrets]`: the path, and why it may be in the image.
///
/// ```toml
/// [secrets]
/// "/etc/wireguard/wg0.conf" = "the repository and the image are as private as the key"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSecret {
    /// The file.
    pub path: RootPath,
    /// Why it is there.
    pub reason: String,
    /// Where it is written.
    pub origin: Origin,
}

/// Reads `[secrets]`.
pub(crate) fn read(table: &read::Table<'_, '_>) -> Vec<KnownSecret> {
    let entries = table.entries::<RootPath>().into_iter();
    entries
        .filter_map(|(path, value)| {
            let reason = value.text::<Reason>()?.value.0;
            Some(KnownSecret { path: path.value, reason, origin: path.origin })
        })
        .collect()
}
