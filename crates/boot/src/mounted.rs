//! A boot partition that is mounted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::partition::{MAX_FILE, SECTOR};
use crate::{Error, Partition, Result};

/// The boot partition that is mounted at a directory.
#[derive(Debug)]
pub struct Mounted {
    root: PathBuf,
}

impl Mounted {
    /// The partition that is mounted at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Everything of the filesystem to the disk: of a FAT, fsync alone leaves the folders' own
    /// entries and the tables behind.
    fn sync(&self) -> Result<()> {
        let root = File::open(&self.root).map_err(Error::io("open", &self.root))?;
        root.sync_all().map_err(Error::io("sync", &self.root))?;
        rustix::fs::syncfs(&root).map_err(io::Error::from).map_err(Error::io("sync", &self.root))
    }

    fn sync_folder(&self, path: &Path) -> Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        File::open(folder).and_then(|it| it.sync_all()).map_err(Error::io("sync", folder))?;
        self.sync()
    }
}

impl Partition for Mounted {
    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path(folder);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("list", &path))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("list", &path))?;
            // Names that are no text are none of ours; neither are folders.
            let file = entry.file_type().is_ok_and(|kind| kind.is_file());
            names.extend(entry.file_name().into_string().ok().filter(|_| file));
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        if self.size(path)?.is_none_or(|size| size > MAX_FILE) {
            return Ok(None);
        }
        let path = self.path(path);
        fs::read(&path).map(Some).map_err(Error::io("read", path))
    }

    fn size(&self, path: &str) -> Result<Option<u64>> {
        let path = self.path(path);
        match fs::symlink_metadata(&path) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>> {
        let path = self.path(path);
        Ok(Box::new(File::open(&path).map_err(Error::io("open", path))?))
    }

    fn create(&mut self, path: &str, content: &mut dyn Read) -> Result<()> {
        let path = self.path(path);
        let make = Error::io("make", &path);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(make)?;
        io::copy(content, &mut file).map_err(Error::io("write", &path))?;
        file.sync_all().map_err(Error::io("write", &path))?;
        self.sync_folder(&path)
    }

    fn overwrite(&mut self, path: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let sector = SECTOR as u64;
        let end = offset + bytes.len() as u64;
        if bytes.is_empty() || offset / sector != (end - 1) / sector {
            return Err(Error::broken(path, "more than one sector was to be overwritten"));
        }
        if self.size(path)?.is_none_or(|size| size < end) {
            return Err(Error::broken(path, "it is not there, or too short"));
        }
        let path = self.path(path);
        let file = OpenOptions::new().write(true).open(&path).map_err(Error::io("open", &path))?;
        file.write_all_at(bytes, offset)
            .and_then(|()| file.sync_all())
            .map_err(Error::io("write", &path))
    }

    fn remove(&mut self, path: &str) -> Result<()> {
        let path = self.path(path);
        match fs::remove_file(&path) {
            Ok(()) => self.sync_folder(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("remove", path)(error)),
        }
    }

    fn free(&self) -> Result<u64> {
        let found = rustix::fs::statvfs(&self.root).map_err(io::Error::from);
        let found = found.map_err(Error::io("measure", &self.root))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}
