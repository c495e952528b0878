//! What trust in Arch's packages begins with, besides what a lock has.
//!
//! Five or so people hold Arch's main keys. They certify the keys of packagers, and packagers sign
//! packages. Which the main keys are is known from the package that Debian makes of Arch's keyring:
//! its digest stands in this file. From there on each archlinux-keyring that is locked says itself
//! which main keys there are, once its own signature has been checked.

use digest::Digest;
use jiff::civil::Date;
use store::Item;

/// Version 0~20231113-1~deb12u1 of bookworm: Arch's keyring of 13 November 2023.
const PACKAGE: &str = "archlinux-keyring_0~20231113-1~deb12u1_all.deb";
const PATH: &str = "pool/main/a/archlinux-keyring/";
const SHA256: [u8; 32] = [
    0xcc, 0xdb, 0x8d, 0x57, 0x0d, 0x8c, 0x27, 0xde, 0xe2, 0x19, 0x83, 0x1f, 0xb2, 0xa8, 0x52, 0x14,
    0xb6, 0x26, 0xe2, 0xe0, 0xf4, 0x1a, 0x5b, 0xe8, 0xe9, 0x78, 0xd8, 0x95, 0xcb, 0x06, 0x89, 0xc5,
];
const SIZE: u64 = 1_209_672;

/// The package file that Arch's own main keys are read from. Who builds without a network has to
/// have it too.
pub fn main_keys() -> Item {
    Item {
        digest: Digest::from(SHA256),
        size: SIZE,
        name: PACKAGE.to_owned(),
        archive: "debian".to_owned(),
        path: format!("{PATH}{PACKAGE}"),
        date: Date::constant(2025, 12, 31),
    }
}
