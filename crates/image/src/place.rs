//! A file that a program of the tool root may write.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sandbox::Command;

use crate::{Error, Result};

/// Where programs see the file.
const INSIDE: &str = "/work/image";

/// A file of ours, shown to programs at one place whatever its path: paths cannot get into what
/// they write.
pub(crate) struct Place {
    path: PathBuf,
}

impl Place {
    /// An empty file of mode 0644.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Self::sized(path, 0)
    }

    /// A file of `size` zeros that take no room.
    pub(crate) fn sized(path: &Path, size: u64) -> Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path);
        let file: File = file.map_err(Error::io("make", path))?;
        let mode = fs::Permissions::from_mode(0o644);
        file.set_permissions(mode).map_err(Error::io("make", path))?;
        file.set_len(size).map_err(Error::io("make", path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The command with the file in sight.
    pub(crate) fn show(&self, command: Command) -> Command {
        command.bind_rw(&self.path, INSIDE)
    }

    /// Its path for the command.
    pub(crate) fn inside(&self) -> &'static str {
        INSIDE
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
