//! Arch's archive: from a request to a lock.
//!
//! 1. For each repository the database of the day is looked for in the dated archive and read.
//! 2. The keyring of the day, archlinux-keyring, is fetched; its own signature has to be by one whom
//!    the [`MainKeys`] have certified.
//! 3. The versions that a pin or an earlier lock holds and no database has come from the archive's
//!    package tree.
//! 4. pacman's walk over the dependencies is repeated, and the solver makes of that a set of
//!    packages in which everything holds. It departs from what pacman would install only where
//!    pacman would give up.
//! 5. The signature of each package that is new has to be by one whom the keyring trusts; the rest
//!    is written down.
//!
//! When the files are there, [`verify`] checks the signatures against them, before anything is
//! unpacked.

mod candidates;
mod choose;
mod database;
mod entry;
mod extra;
mod held;
mod keyring;
mod locking;
mod main_keys;
mod names;
mod needs;
mod own;
mod package_file;
mod relation;
mod repository;
mod signatures;
mod universe;
mod verify;
mod walk;

pub use keyring::{Keyring, SignatureError};
pub use locking::{Archive, resolve, update};
pub use main_keys::MainKeys;
pub use verify::verify;
