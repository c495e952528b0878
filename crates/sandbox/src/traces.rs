//! What the sandbox makes in a root to mount on, and how it goes again.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};

use crate::mount_calls::failed;
use crate::protocol::SetupFailure;

type Result<T> = std::result::Result<T, SetupFailure>;

/// What has to be taken away again, last first.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    pub(crate) mounts: Vec<PathBuf>,
    pub(crate) made: Vec<PathBuf>,
}

/// Makes something to mount a directory or a file on, where there is nothing.
pub(crate) fn make_target(path: &Path, directory: bool, traces: &mut Traces) -> Result<()> {
    if directory {
        return make_directory(path, traces);
    }
    if let Some(parent) = path.parent() {
        make_directory(parent, traces)?;
    }
    let mut open = OpenOptions::new();
    match open.create_new(true).write(true).mode(0o644).open(path) {
        Ok(_) => traces.made.push(path.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        // In a read-only part of the root: there, or attaching will say that it is not.
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
        Err(error) => return Err(failed(format!("make {}", path.display()))(error)),
    }
    Ok(())
}

/// Makes a directory with its parents, where there is none.
pub(crate) fn make_directory(path: &Path, traces: &mut Traces) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent, traces)?;
    }
    DirBuilder::new()
        .mode(0o755)
        .create(path)
        .map_err(failed(format!("make the directory {}", path.display())))?;
    traces.made.push(path.to_owned());
    Ok(())
}

impl Traces {
    /// Takes away what was mounted and made, so that a tree is as if nobody had been there.
    pub(crate) fn remove(self) -> Result<()> {
        for path in self.mounts.iter().rev() {
            unmount(path, UnmountFlags::DETACH)
                .map_err(failed(format!("unmount {}", path.display())))?;
        }
        for path in self.made.iter().rev() {
            let removed = match fs::symlink_metadata(path) {
                Ok(found) if found.is_dir() => fs::remove_dir(path),
                Ok(_) => fs::remove_file(path),
                Err(error) => Err(error),
            };
            match removed {
                // The program filled the directory, or took the file: now it is the program's.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
                    ) => {}
                other => other.map_err(failed(format!("remove {}", path.display())))?,
            }
        }
        Ok(())
    }
}
