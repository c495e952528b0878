//! The tool root: pinned packages, unpacked, in which every program of a build runs.
//!
//! `tools.toml` says which packages a [`Group`] wants, `tools.lock` which files those are. A group
//! is unpacked into a directory of its own when it is first asked for:
//!
//! ```text
//! <cache>/tools/
//!   lock                      held by the command that unpacks
//!   image-0123456789ab/       a group, named by the digest of its packages: complete, never changed
//!   .part-XXXXXX/             a group in the making; what is left of a killed command is removed
//! ```

mod definition;
mod locked;
mod unpacking;

use std::path::{Path, PathBuf};

use definition::Definition;
use digest::{Digest, Hasher};
use lock::Lock;
use locked::ToolsLock;
use store::Store;

use crate::command::Command;
use crate::error::Result;
use crate::program::{Group, Program};

pub use locked::{LockedGroup, lock_tools};
pub use unpacking::{remove_root, roots};

/// Goes up when the same packages are unpacked into something else.
const VERSION: u32 = 2;

/// The groups of tools of a workspace.
#[derive(Debug)]
pub struct Tools<'s> {
    store: &'s Store,
    lock: ToolsLock,
}

/// A group, unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolRoot {
    path: PathBuf,
}

impl<'s> Tools<'s> {
    /// Reads `tools.toml` and `tools.lock` of the workspace at `workspace`; fetches nothing.
    pub fn open(workspace: &Path, store: &'s Store) -> Result<Self> {
        let definition = Definition::read(&workspace.join("tools.toml"))?;
        let path = workspace.join("tools.lock");
        let lock = ToolsLock::read(&path)?;
        lock.check(&definition, architecture(), &path)?;
        Ok(Self { store, lock })
    }

    /// What a group's programs are a function of.
    pub fn key(&self, group: Group) -> Result<Digest> {
        Ok(key(self.locked(group)?))
    }

    /// The root of a group, which is fetched and unpacked if it is not there yet.
    pub fn root(&self, group: Group) -> Result<ToolRoot> {
        let lock = self.locked(group)?;
        let path = unpacking::unpacked(self.store, group, lock, &name(group, lock))?;
        Ok(ToolRoot { path })
    }

    /// The names of the roots, unpacked or not, that the groups have in the cache's `tools`.
    pub fn names(&self) -> Result<Vec<String>> {
        Group::ALL.iter().map(|group| Ok(name(*group, self.locked(*group)?))).collect()
    }

    /// A command of `program`, in the root of its group.
    pub fn command(&self, program: Program) -> Result<Command> {
        Ok(self.root(program.group())?.command(program))
    }

    /// Whether the network is left alone.
    pub fn is_offline(&self) -> bool {
        self.store.is_offline()
    }

    /// The package files of a group: what a vault has to hold.
    pub fn locked(&self, group: Group) -> Result<&Lock> {
        self.lock.group(architecture(), group)
    }
}

impl ToolRoot {
    /// A directory that holds an unpacked root.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command of `program`.
    pub fn command(&self, program: Program) -> Command {
        Command::new(&self.path, program.path())
    }
}

/// This machine's architecture, as Debian calls it. `tools.toml` says which there are tools for.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn name(group: Group, lock: &Lock) -> String {
    format!("{group}-{}", key(lock).short())
}

fn key(lock: &Lock) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(format!("tool root {VERSION} {}\n", lock.architecture).as_bytes());
    for package in &lock.packages {
        hasher.update(format!("{}\n", package.sha256).as_bytes());
    }
    hasher.finish()
}
