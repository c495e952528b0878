//! `[layers]`: how the layers of a generation are packed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::Refused;
use crate::{read, suggest};

/// The file system that a layer is packed into.
///
/// ```toml
/// [layers]
/// format = "squashfs"     # the default: smaller; or "erofs": small changes stay small
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerFormat {
    /// squashfs, compressed with zstd.
    #[default]
    Squashfs,
    /// erofs.
    Erofs,
}

impl LayerFormat {
    const ALL: [Self; 2] = [Self::Squashfs, Self::Erofs];

    /// As it is written in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
        }
    }

    /// Reads `[layers]`.
    pub(crate) fn read(mut table: read::Table<'_, '_>) -> Option<Self> {
        let format = table.value("format").map(|value| value.text());
        table.finish();
        format.map_or(Some(Self::default()), |format| format.map(|format| format.value))
    }
}

impl fmt::Display for LayerFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LayerFormat {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| Refused {
            message: "is no format of layers".to_owned(),
            hint: suggest::hint(text, "formats", Self::ALL.map(Self::as_str)),
        })
    }
}
