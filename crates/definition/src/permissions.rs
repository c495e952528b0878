//! `[permissions]`: owners and modes that git cannot carry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::Refused;
use crate::{GroupName, Origin, RootPath, UserName, read};

/// The permission bits of a file: four octal digits, set-id and sticky bits included (chmod(2)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u32);

impl Mode {
    /// The bits, at most 0o7777.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for Mode {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let octal = text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        match u32::from_str_radix(text, 8) {
            Ok(bits) if octal && (3..=4).contains(&text.len()) => Ok(Self(bits)),
            _ => Err(Refused::new("is no mode", "four octal digits; as in \"0640\"")),
        }
    }
}

impl TryFrom<String> for Mode {
    type Error = Refused;

    fn try_from(text: String) -> Result<Self, Refused> {
        text.parse()
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An entry of `[permissions]`: what is not said stays as it is.
///
/// ```toml
/// [permissions]
/// "/etc/dovecot/users" = { owner = "root", group = "dovecot", mode = "0640" }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// What it is about: a path laid by a package, a `rootfs/` or as a place of state.
    pub path: RootPath,
    /// The owner; without it root for what a `rootfs/` lays, the package's for what a package laid.
    pub owner: Option<UserName>,
    /// The group, by the same rule.
    pub group: Option<GroupName>,
    /// The mode; without it 0644 for files of a `rootfs/`, 0755 for executable ones and for
    /// directories.
    pub mode: Option<Mode>,
    /// Where it is written, for whoever finds that nobody lays the path.
    pub origin: Origin,
}

/// Reads `[permissions]`.
pub(crate) fn read(table: &read::Table<'_, '_>) -> Vec<Permission> {
    let mut permissions = Vec::new();
    for (path, value) in table.entries::<RootPath>() {
        let Some(mut keys) = value.table() else { continue };
        let permission = Permission {
            path: path.value,
            owner: keys.value("owner").and_then(|value| value.text()).map(|owner| owner.value),
            group: keys.value("group").and_then(|value| value.text()).map(|group| group.value),
            mode: keys.value("mode").and_then(|value| value.text()).map(|mode| mode.value),
            origin: path.origin,
        };
        if keys.is_empty() {
            value.wrong("says nothing", r#"as in { owner = "root", mode = "0640" }"#);
        }
        keys.finish();
        permissions.push(permission);
    }
    permissions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_and_complete() {
        assert_eq!("0640".parse::<Mode>().unwrap().bits(), 0o640);
        assert_eq!("755".parse::<Mode>().unwrap().to_string(), "0755");
        assert_eq!("4755".parse::<Mode>().unwrap().bits(), 0o4755);
        for bad in ["", "8", "0o644", "64", "06444", "rw-", "+644", "0648"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad}");
        }
    }
}
