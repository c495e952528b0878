//! Which workspaces use the cache: a file may go when the lock of none of them names it.
//!
//! ```text
//! <cache>/workspaces/0123456789ab    the path of a workspace, named by the digest of that path
//! ```

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use digest::Digest;

use crate::{Error, Result, Store};

/// A workspace that has used the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its folder.
    pub workspace: PathBuf,
    /// The file that says so.
    pub record: PathBuf,
}

impl Store {
    /// Records that the workspace in the folder `root` uses this cache.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn add_workspace(&self, root: &Path) -> Result<()> {
        let folder = self.workspaces_folder();
        let path = root.as_os_str().as_bytes();
        let record = folder.join(Digest::of(path).short());
        if record.is_file() {
            return Ok(());
        }
        let write = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(path)?;
            file.persist(&record).map(drop).map_err(|error| error.error)
        };
        write().map_err(Error::io("write", &record))
    }

    /// The workspaces that use this cache, sorted. What is no more counts too.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn workspaces(&self) -> Result<Vec<Known>> {
        let folder = self.workspaces_folder();
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("read", &folder))?,
        };
        let mut known = Vec::new();
        for entry in entries {
            let record = entry.map_err(Error::io("read", &folder))?.path();
            // A record in the making begins with a dot.
            if record.file_name().is_some_and(|name| name.as_bytes().starts_with(b".")) {
                continue;
            }
            let path = fs::read(&record).map_err(Error::io("read", &record))?;
            known.push(Known { workspace: OsString::from_vec(path).into(), record });
        }
        known.sort_by(|one, other| one.workspace.cmp(&other.workspace));
        Ok(known)
    }

    /// Forgets a workspace.
    ///
    /// # Errors
    /// When its record cannot be removed.
    pub fn forget_workspace(&self, known: &Known) -> Result<()> {
        match fs::remove_file(&known.record) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &known.record)(error))
            }
            _ => Ok(()),
        }
    }

    fn workspaces_folder(&self) -> PathBuf {
        self.cache_dir().join("workspaces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn a_workspace_is_known_once_until_it_is_forgotten() {
        let cache = tempfile::tempdir().unwrap();
        let store = Store::open(Options::bare(cache.path())).unwrap();
        assert!(store.workspaces().unwrap().is_empty());
        for root in ["/srv/b", "/srv/a", "/srv/b"] {
            store.add_workspace(Path::new(root)).unwrap();
        }
        let known = store.workspaces().unwrap();
        let roots: Vec<_> = known.iter().map(|it| it.workspace.to_str().unwrap()).collect();
        assert_eq!(roots, ["/srv/a", "/srv/b"]);
        store.forget_workspace(&known[0]).unwrap();
        store.forget_workspace(&known[0]).unwrap();
        assert_eq!(store.workspaces().unwrap(), known[1..]);
    }
}
