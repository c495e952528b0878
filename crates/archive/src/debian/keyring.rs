//! The keys of the Debian archive, from the package that the archive itself ships them in. The
//! package is known by its digest, so the first link of the chain of trust stands in this file.

use digest::Digest;
use jiff::civil::Date;
use store::Item;

use super::signature::Keyring;
use crate::deb;
use crate::error::Error;
use crate::files::Files;

/// Version 2023.3+deb12u2 holds the keys of bullseye, bookworm and trixie.
const PACKAGE: &str = "debian-archive-keyring_2023.3+deb12u2_all.deb";
const PATH: &str = "pool/main/d/debian-archive-keyring/";
const SHA256: [u8; 32] = [
    0xf6, 0x99, 0xe2, 0xf8, 0x8d, 0xca, 0x05, 0x21, 0x2f, 0x2a, 0x45, 0x2b, 0x58, 0x47, 0x5f, 0x29,
    0x93, 0xcb, 0x69, 0x93, 0xdf, 0xba, 0xfb, 0x1d, 0x02, 0x05, 0xa3, 0x29, 0x1e, 0xb8, 0xb4, 0xb8,
];
const SIZE: u64 = 178_572;
/// The file in it.
const KEYS: &str = "./usr/share/keyrings/debian-archive-keyring.gpg";

impl Keyring {
    /// The one key that vouches for a repository beside the distribution's.
    pub(crate) fn of_extra(extra: &lock::Extra) -> Result<Self, Error> {
        let (place, archive) = (extra.place.clone(), extra.name.clone());
        match Self::parse(&extra.key) {
            Ok(keyring) => keyring.only(&extra.fingerprint).map_err(|found| Error::OtherKey {
                place,
                archive,
                fingerprint: extra.fingerprint.clone(),
                found,
            }),
            Err(source) => Err(Error::KeyFile { place, archive, source }),
        }
    }
}

/// Fetches and reads the keys of the Debian archive.
pub(crate) fn of_debian(files: &dyn Files) -> Result<Keyring, Error> {
    let item = Item {
        digest: Digest::from(SHA256),
        size: SIZE,
        name: PACKAGE.to_owned(),
        archive: "debian".to_owned(),
        path: format!("{PATH}{PACKAGE}"),
        date: Date::constant(2025, 12, 31),
    };
    Ok(Keyring::parse(&deb::file_of(files, item, KEYS)?)?)
}
