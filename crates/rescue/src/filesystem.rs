//! The data filesystem of a disk.

use std::error::Error as StdError;
use std::fmt::{self, Debug, Formatter};
use std::path::Path;
use std::sync::Arc;

use ext4_view::{Ext4, Ext4Read, PathBuf};

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::shown::safe;

/// What every data filesystem of ours has.
const MARKER: &str = "/imgs/oci-layout";

/// The data filesystem of a disk, read and never written.
pub struct Filesystem {
    ext4: Ext4,
    disk: Arc<Disk>,
    inodes: u64,
}

/// The part of a disk that a filesystem is in. It cannot write.
struct Part {
    disk: Arc<Disk>,
    start: u64,
}

impl Ext4Read for Part {
    fn read(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let at = self.start.checked_add(at).ok_or("an offset behind all numbers")?;
        Ok(self.disk.read(at, bytes)?)
    }
}

impl Debug for Filesystem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filesystem").field("disk", &self.disk).finish_non_exhaustive()
    }
}

impl Filesystem {
    /// Opens the data filesystem of the raw image or device `path`, or of its partition.
    ///
    /// # Errors
    /// It cannot be read; it is no disk of a server; its filesystem is damaged beyond reading.
    pub fn open(path: &Path) -> Result<Self> {
        let disk = Arc::new(Disk::open(path)?);
        let not_ours = |why| Error::NotOurs { path: path.to_owned(), why };
        let mut failed = None;
        for start in disk.candidates() {
            let part = Part { disk: Arc::clone(&disk), start };
            match Ext4::load(Box::new(part)) {
                Ok(ext4) if ext4.exists(MARKER).unwrap_or(false) => {
                    let inodes = disk.inodes(start);
                    return Ok(Self { ext4, disk, inodes });
                }
                Ok(_) => failed = Some(not_ours("its ext4 has no /imgs")),
                Err(source) => {
                    failed = Some(Error::Filesystem { what: "the superblock".into(), source });
                }
            }
        }
        Err(failed.unwrap_or_else(|| not_ours("it has no ext4")))
    }

    pub(crate) fn ext4(&self) -> &Ext4 {
        &self.ext4
    }

    /// The disk that it is on.
    pub fn path(&self) -> &Path {
        self.disk.path()
    }

    /// The size of the whole disk: no file is longer, holes apart.
    pub(crate) fn disk_size(&self) -> u64 {
        self.disk.size()
    }

    /// More entries than this no walk of its directories can meet: several names of a file are
    /// rare.
    pub(crate) fn entries(&self) -> u64 {
        self.inodes.saturating_mul(4)
    }

    /// A file, of at most `limit` bytes; nothing where there is none.
    pub(crate) fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let failed = |source| Error::Filesystem { what: safe(path.as_bytes()), source };
        let size = match self.ext4.symlink_metadata(path) {
            Ok(found) if found.file_type().is_regular_file() => found.len(),
            Ok(_) | Err(ext4_view::Ext4Error::NotFound) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if size > limit {
            return Err(Error::TooLarge { what: safe(path.as_bytes()), size, limit });
        }
        self.ext4.read(path).map(Some).map_err(failed)
    }

    /// The names in a directory, sorted, with their paths; none where there is no directory.
    pub(crate) fn names(&self, path: &PathBuf) -> Result<Vec<(Vec<u8>, PathBuf)>> {
        let failed = |source| Error::Filesystem { what: safe(path.as_ref()), source };
        let entries = match self.ext4.read_dir(path) {
            Ok(entries) => entries,
            Err(ext4_view::Ext4Error::NotFound | ext4_view::Ext4Error::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().as_ref().to_vec();
            if name != b"." && name != b".." {
                names.push((name, entry.path()));
            }
        }
        names.sort();
        Ok(names)
    }
}
