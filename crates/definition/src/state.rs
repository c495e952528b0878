//! `[state]`: what outlives a reboot.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::Refused;
use crate::{Origin, StateDir, StatePath, read, suggest};

/// An entry of `[state]`: something that outlives a reboot.
///
/// ```toml
/// [state]
/// "/var/mail" = "mail"      # runtime path = where it lies below /state
/// # The same with more to say: it begins empty, and programs in it may be set-id.
/// "/srv/chroots" = { at = "chroots", seed = false, options = ["exec", "suid", "dev"] }
/// ```
///
/// On a server that does not have it yet it begins as a copy of what the image has at the path: a
/// file or a directory, with all that is in it. Where the image has nothing it is an empty
/// directory, root's with 0755 or as `[permissions]` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateEntry {
    /// The path on the running server.
    pub path: StatePath,
    /// Its place below `/state`.
    pub at: StateDir,
    /// Whether it begins with what the image has there; else it begins empty.
    pub seed: bool,
    /// What its mount allows besides, sorted.
    pub options: Vec<StateOption>,
    /// Where it is declared.
    pub origin: Origin,
}

/// What a place of state is mounted with besides what every other is, by the names of mount(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateOption {
    /// Devices there are devices.
    Dev,
    /// Programs there may be run: they may in all state.
    Exec,
    /// Set-id bits and capabilities count.
    Suid,
}

impl StateOption {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Dev, Self::Exec, Self::Suid];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Exec => "exec",
            Self::Suid => "suid",
        }
    }
}

impl FromStr for StateOption {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let found = Self::ALL.into_iter().find(|option| option.as_str() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str);
            let hint = suggest::hint(text, "the options here are", names);
            Refused { message: "is no option of state".to_owned(), hint }
        })
    }
}

impl fmt::Display for StateOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `[state]`.
pub(crate) fn read(table: &read::Table<'_, '_>) -> Vec<StateEntry> {
    let mut entries = Vec::new();
    for (path, value) in table.entries::<StatePath>() {
        let (at, seed, options) = if value.is_table() {
            let Some(mut keys) = value.table() else { continue };
            let hint = r#"where it is kept below /state; as in { at = "mail" }"#;
            let at = keys.required("at", hint).and_then(|value| value.text::<StateDir>());
            let seed = keys.value("seed").and_then(|value| value.boolean());
            let options = keys.value("options").and_then(|value| value.texts::<StateOption>());
            keys.finish();
            (at, seed, options.unwrap_or_default())
        } else {
            (value.text::<StateDir>(), None, Vec::new())
        };
        let Some(at) = at else { continue };
        let mut options: Vec<_> = options.into_iter().map(|option| option.value).collect();
        options.sort_unstable();
        entries.push(StateEntry {
            path: path.value,
            at: at.value,
            seed: seed.unwrap_or(true),
            options,
            origin: path.origin,
        });
    }
    entries
}
