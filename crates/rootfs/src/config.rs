//! The config layer: everything of a server that is no package.
//!
//! Laid over a package tree as an archive of its own: the files of the definition, the accounts
//! that it declares, owners and modes that git cannot carry, mount points of state, the host's
//! name. A directory that the packages have too comes with their owner, mode and time, because the
//! upper directory of an overlay hides those of the lower one.

mod dynamic;
mod plan;
mod resolve;
mod state;
mod write;

use std::path::PathBuf;

use digest::Digest;

use crate::accounts::{Accounts, Group, User};
use crate::ids::Completed;
use crate::paths::Paths;

pub use state::{Begins, begins};
pub use write::write;

/// What a definition says of its config layer. All paths are absolute paths of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Files, links and directories to lay over the packages.
    pub overlay: Vec<Overlay>,
    /// Owners and modes of paths of the overlay, of state mount points or of packages.
    pub permissions: Vec<Permission>,
    /// Users that are declared.
    pub users: Vec<User>,
    /// Groups that are declared.
    pub groups: Vec<Group>,
    /// Where state is mounted.
    pub mounts: Vec<String>,
    /// The host's name, short or full.
    pub hostname: Option<String>,
    /// The time of everything in the layer, in seconds since 1970.
    pub epoch: i64,
}

/// One path to be laid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Where.
    pub path: String,
    /// What.
    pub source: Source,
}

/// What is laid. Modes are 0644, 0755 for what may be run, and 0755 for directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of the definition.
    File {
        /// Where it lies.
        file: PathBuf,
        /// What it holds, by which the result is known: it may change while it is laid.
        digest: Digest,
        /// Whether git has it as executable.
        executable: bool,
    },
    /// A file that was made by the build.
    Bytes {
        /// Its content.
        bytes: Vec<u8>,
        /// Whether it may be run.
        executable: bool,
    },
    /// A symbolic link to this text.
    Symlink(String),
    /// A directory.
    Directory,
}

/// Owner and mode of a path; what is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The path.
    pub path: String,
    /// The owner's name.
    pub owner: Option<String>,
    /// The group's name.
    pub group: Option<String>,
    /// Permission bits, set-id and sticky bits among them.
    pub mode: Option<u32>,
}

/// The package tree that a config layer is laid over.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// Its paths, as `paths.json` has them: with the tree's own ids.
    pub paths: &'a Paths,
    /// Its account files, as `facts.json` has them.
    pub accounts: &'a Accounts,
    /// The ids of the finished system.
    pub ids: &'a Completed,
}
