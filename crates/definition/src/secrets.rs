//! `[secrets]`: secrets that are in an image on purpose, about which nobody need be warned.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::Refused;
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

struct Reason(String);

impl FromStr for Reason {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            let hint = "one line that says why everybody who has the image may have it";
            return Err(Refused::new("is no reason", hint));
        }
        Ok(Self(text.to_owned()))
    }
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
