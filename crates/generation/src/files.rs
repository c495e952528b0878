//! Files that are there whole or not at all, with the same modes whatever the umask.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Puts `bytes` in the place of the file `name` of `dir`, and returns when they are on the disk.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = dir.join(name);
    let partial = replacement(dir, name);
    remove(&partial)?;
    let mut file = create(&partial)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&partial, "write"))?;
    fs::rename(&partial, &path).map_err(at(&path, "replace"))?;
    sync(dir)
}

/// The name under which [`replace`] writes first.
fn replacement(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}-{}", std::process::id()))
}

/// Whether a name in a directory is one that [`replace`] of the file `name` left behind.
pub(crate) fn is_replacement(found: &str, name: &str) -> bool {
    found
        .strip_prefix('.')
        .and_then(|found| found.strip_prefix(name)?.strip_prefix('-'))
        .is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A new file of mode 0644.
pub(crate) fn create(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(at(path, "make"))?;
    file.set_permissions(Permissions::from_mode(0o644)).map_err(at(path, "make"))?;
    Ok(file)
}

/// A directory of mode 0755, or the one that is there.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => set_mode(path, 0o755),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(at(path, "make")(error)),
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at(path, "set the mode of"))
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path, "remove")(error)),
        _ => Ok(()),
    }
}

/// Waits until the names in a directory are on the disk.
pub(crate) fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir, "sync"))
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, what: &'static str, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(at(path, "open"))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(at(path, "read"))?;
    let size = bytes.len() as u64;
    if size > limit { Err(Error::TooLarge { what, size, limit }) } else { Ok(bytes) }
}

pub(crate) fn at(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_known_by_the_name_it_is_for() {
        let dir = Path::new("/imgs");
        let made = replacement(dir, "index.json");
        let made = made.file_name().unwrap().to_str().unwrap();
        assert!(is_replacement(made, "index.json"));
        assert!(!is_replacement(made, "progress"));
        for other in ["index.json", ".index.json", ".index.json-", ".index.json-1x", "index.json-1"]
        {
            assert!(!is_replacement(other, "index.json"), "{other}");
        }
    }
}
