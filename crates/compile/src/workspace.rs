//! What a workspace says of all its packages, read once for all programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::Table;

use crate::error::Result;
use crate::locked::CargoLock;
use crate::members::{members, read_manifest};

/// A workspace that programs are compiled from.
#[derive(Debug)]
pub struct Workspace {
    pub(crate) path: PathBuf,
    /// The root manifest.
    pub(crate) manifest: Table,
    /// The directories of the members, relative to `path`, by name.
    pub(crate) members: BTreeMap<String, String>,
    pub(crate) lock: CargoLock,
    /// Files and directories that do not count.
    pub(crate) left_out: BTreeSet<PathBuf>,
}

impl Workspace {
    /// Reads the manifests and `Cargo.lock` of the workspace at `path`. Starts no program.
    ///
    /// # Errors
    /// When one of them cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self> {
        let manifest = read_manifest(&path.join("Cargo.toml"))?;
        let members = members(path, &manifest)?;
        let lock = CargoLock::read(&path.join("Cargo.lock"))?;
        let left_out = BTreeSet::new();
        Ok(Self { path: path.to_owned(), manifest, members, lock, left_out })
    }

    /// The same without these files and directories, as if they were not there.
    #[must_use]
    pub fn without(self, left_out: BTreeSet<PathBuf>) -> Self {
        Self { left_out, ..self }
    }
}
