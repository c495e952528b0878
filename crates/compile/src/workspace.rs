//! What a workspace says of all its packages, read once for all programs.

use std::collections::BTreeMap;
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
        Ok(Self { path: path.to_owned(), manifest, members, lock })
    }
}
