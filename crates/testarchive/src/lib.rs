//! For tests: an archive of the layout, the URLs and the formats of the Arch Linux Archive.
//!
//! ```
//! use testarchive::{Archive, Keys, Package, Served};
//!
//! let keys = Keys::generate();
//! let hello = Package::new("hello", "1.0-1")
//!     .depends("glibc")
//!     .file("usr/bin/hello", 0o755, "#!/bin/sh\n")
//!     .pack(&keys);
//! let keyring = keys.package("20200601-1").pack(&keys);
//! let folder = std::env::temp_dir().join("heirloom-testarchive-example");
//! Archive::new(&folder, &keys)
//!     .day(jiff::civil::date(2020, 6, 1), "core", &[&hello, &keyring])
//!     .day(jiff::civil::date(2020, 6, 2), "core", &[&keyring]);
//! let served = Served::start(&folder);
//! println!("{}repos/2020/06/01/core/os/x86_64/core.db", served.url());
//! # std::fs::remove_dir_all(&folder).unwrap();
//! ```
//!
//! All bytes but the keys' are a function of what a test says. What cannot be done panics: nothing
//! but tests uses this crate, and there a panic is a failed test.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "see above")]

mod archive;
mod bootable;
mod database;
mod keyring;
mod keys;
mod package;
mod repackage;
mod served;

pub use archive::Archive;
pub use bootable::{Bootable, DAYS, GIT_RELEASE, bootable};
pub use keys::{EXPIRY, Key, Keys, MADE, Signer};
pub use package::{Entry, Kind, Package, Packed};
pub use repackage::{Repackaged, repackage};
pub use served::Served;
