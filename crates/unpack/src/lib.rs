//! Package files laid into a tree that they cannot leave.
//!
//! A `.deb` is read as a stream ([`Deb`]) and laid under a [`Tree`], an open directory. Everything
//! in a package is hostile until checked:
//!
//! * a member with an absolute path or a `..` is refused;
//! * no symbolic link is ever followed, whoever laid it: directories are opened by `openat2` with
//!   `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, and a member behind a link is refused. The merged
//!   `/usr` is no exception: with [`Options::usr_merge`] names are mapped (`bin/sh` is
//!   `usr/bin/sh`) before anything is opened;
//! * a hard link joins two members of one package, nothing else;
//! * device nodes, fifos and sockets are refused, as are sparse files and impossible sizes.
//!
//! [`packages`] lays many packages with several threads. Its result does not depend on which
//! thread is faster: packages may share directories, and a path that several have goes to the one
//! that `Replaces` all others, or is an error that names two of them. Links are laid last; where
//! another package has a directory, it stays if that is unpacked first. Owners, modes and times of
//! directories are set by [`Tree::settle`] once everything is there, the first package in order
//! winning.
//!
//! [`more_packages`] lays further packages when scripts have run, as dpkg does it: where a diversion
//! says, with the owner and mode of a statoverride, over files that are no package's.
//!
//! What is read and written in a tree afterwards, when packages and their scripts may have put a
//! link anywhere, is so through [`Inside`].
//!
//! A package of Arch is laid by pacman. [`ArchPackage`] reads it before, under the same rules.

mod ar;
mod arch;
mod claims;
mod compression;
mod control;
mod deb;
mod error;
mod extract;
mod inside;
mod laid;
mod links;
mod many;
mod members;
mod name;
mod rules;
mod tree;

pub use arch::{ArchPackage, Hook, PackageInfo, check_links};
pub use control::{Control, ControlFile};
pub use deb::Deb;
pub use error::{Cause, Error};
pub use inside::{Inside, InsideError};
pub use laid::{Kind, Laid, Package};
pub use many::{Relations, more_packages, packages};
pub use members::{Member, MemberKind, Members};
pub use name::MERGED;
pub use rules::{Override, Rules};
pub use tree::Tree;

/// Whose files the tree's will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// The numeric ids of the package; also its extended attributes and set-id bits. Wants to be
    /// root, or root of a user namespace that maps those ids.
    Keep,
    /// Everything belongs to who unpacks; no set-id bits, no extended attributes.
    Ignore,
}

/// How packages are laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose files they become.
    pub owners: Owners,
    /// Whether members of `bin`, `sbin`, `lib` and the like are laid under `usr`, with links from
    /// the old places.
    pub usr_merge: bool,
}
