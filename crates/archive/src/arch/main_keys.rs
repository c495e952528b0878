//! The keys that trust begins with: [`lock::arch::main_keys`] says where they come from.

use std::collections::BTreeSet;

use super::keyring::parse_fingerprint;
use crate::deb;
use crate::error::Error;
use crate::files::Files;

/// The file in the package.
const TRUSTED: &str = "./usr/share/keyrings/archlinux-trusted";

/// The fingerprints of the main keys that trust begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainKeys(pub(crate) BTreeSet<String>);

impl MainKeys {
    /// The main keys of an archive: those that a definition names, or Arch's where it names none.
    ///
    /// # Errors
    /// When a fingerprint is none, or Debian's package of Arch's keyring cannot be had.
    pub fn of(files: &dyn Files, named: &[String]) -> Result<Self, Error> {
        if named.is_empty() { Self::arch(files) } else { Self::named(named) }
    }

    /// Arch's own.
    ///
    /// # Errors
    /// When Debian's package of Arch's keyring cannot be had.
    pub fn arch(files: &dyn Files) -> Result<Self, Error> {
        let trusted = deb::file_of(files, lock::arch::main_keys(), TRUSTED)?;
        Ok(Self(trusted_keys(&String::from_utf8_lossy(&trusted))))
    }

    /// These and no others: 40 or 64 hexadecimal digits each, blanks between them do not matter.
    ///
    /// # Errors
    /// When one is no fingerprint.
    pub fn named(fingerprints: &[String]) -> Result<Self, Error> {
        let keys = fingerprints.iter().map(|text| {
            parse_fingerprint(text).ok_or_else(|| Error::Request {
                what: format!("main key {text:?} is not a fingerprint of 40 or 64 hex digits"),
            })
        });
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }
}

/// The keys of an `archlinux-trusted`: `FINGERPRINT:4:` a line, gpg's form of owner trust
/// (pacman-key(8), `--populate`).
pub(crate) fn trusted_keys(text: &str) -> BTreeSet<String> {
    let keys = text.lines().filter_map(|line| parse_fingerprint(line.split(':').next()?));
    keys.collect()
}
