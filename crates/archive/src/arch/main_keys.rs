//! The keys that trust begins with.
//!
//! Five or so people hold Arch's main keys. They certify the keys of packagers, and packagers sign
//! packages. Which the main keys are is known from the package that Debian makes of Arch's keyring:
//! its digest stands in this file. From there on each archlinux-keyring that is locked says itself
//! which main keys there are, once its own signature has been checked.

use std::collections::BTreeSet;

use digest::Digest;
use jiff::civil::Date;
use store::Item;

use super::keyring::parse_fingerprint;
use crate::deb;
use crate::error::Error;
use crate::files::Files;

/// Version 0~20231113-1~deb12u1 of bookworm: Arch's keyring of 13 November 2023.
const PACKAGE: &str = "archlinux-keyring_0~20231113-1~deb12u1_all.deb";
const PATH: &str = "pool/main/a/archlinux-keyring/";
const SHA256: [u8; 32] = [
    0xcc, 0xdb, 0x8d, 0x57, 0x0d, 0x8c, 0x27, 0xde, 0xe2, 0x19, 0x83, 0x1f, 0xb2, 0xa8, 0x52, 0x14,
    0xb6, 0x26, 0xe2, 0xe0, 0xf4, 0x1a, 0x5b, 0xe8, 0xe9, 0x78, 0xd8, 0x95, 0xcb, 0x06, 0x89, 0xc5,
];
const SIZE: u64 = 1_209_672;
/// The file in it.
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
        let package = files
            .file(&Self::item())
            .map_err(|source| Error::Fetch { what: PACKAGE.to_owned(), source })?;
        let trusted = deb::file(&package, TRUSTED)
            .map_err(|source| Error::KeyringPackage { package: PACKAGE.to_owned(), source })?;
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

    /// The file that [`MainKeys::arch`] reads. Who builds without a network has to have it too.
    pub fn item() -> Item {
        Item {
            digest: Digest::from(SHA256),
            size: SIZE,
            name: PACKAGE.to_owned(),
            archive: "debian".to_owned(),
            path: format!("{PATH}{PACKAGE}"),
            date: Date::constant(2025, 12, 31),
        }
    }
}

/// The keys of an `archlinux-trusted`: `FINGERPRINT:4:` a line, gpg's form of owner trust
/// (pacman-key(8), `--populate`).
pub(crate) fn trusted_keys(text: &str) -> BTreeSet<String> {
    let keys = text.lines().filter_map(|line| parse_fingerprint(line.split(':').next()?));
    keys.collect()
}
