//! Files of the definition that a command writes anew.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::Error;

/// Gives each file its new text. All of them are on the disk under other names before the first gets
/// its own, so that what can fail fails before anything is changed, and hardly a moment lies between
/// two of them. A symlink stays, and what it leads to is replaced.
pub(crate) fn all(files: &[(&Path, &str)]) -> Result<(), Error> {
    let mut ready = Vec::new();
    let mut replaced = Vec::new();
    for (path, text) in files {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        // While it is open, a rename over it need not wait until its blocks are free: of the time
        // between the first file and the last that would be almost all.
        replaced.extend(File::open(&path).ok());
        ready.push((prepare(&path, text).map_err(Error::io("write", &path))?, path));
    }
    let folders: Vec<PathBuf> = ready.iter().map(|(_, path)| folder(path).to_owned()).collect();
    for (file, path) in ready {
        file.persist(&path).map_err(|error| Error::io("write", &path)(error.error))?;
    }
    drop(replaced);
    for folder in folders {
        File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("write", &folder))?;
    }
    Ok(())
}

fn prepare(path: &Path, text: &str) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder(path))?;
    file.write_all(text.as_bytes())?;
    // tempfile makes files for their owner alone; these are source files like any other.
    let mode = fs::metadata(path).map(|old| old.permissions());
    file.as_file().set_permissions(mode.unwrap_or_else(|_| Permissions::from_mode(0o644)))?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_written_or_none_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::write(&one, "old").unwrap();
        fs::set_permissions(&one, Permissions::from_mode(0o640)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("one", &link).unwrap();

        let missing = dir.path().join("no/such/two");
        let error = all(&[(&one, "new"), (&missing, "new")]).unwrap_err();
        assert!(error.to_string().contains("no/such/two"), "{error}");
        assert_eq!(fs::read_to_string(&one).unwrap(), "old");

        all(&[(&link, "new"), (&two, "more")]).unwrap();
        assert_eq!(fs::read_to_string(&one).unwrap(), "new");
        assert_eq!(fs::read_to_string(&two).unwrap(), "more");
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&one), mode(&two)), (0o640, 0o644));
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
