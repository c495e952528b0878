//! A download under way: `partial/<hex>.part`, locked by whoever writes it.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use digest::{Digest, Hasher};

use crate::{Error, Result};

/// The bytes so far, and their hash.
pub(crate) struct Part {
    file: File,
    path: PathBuf,
    hasher: Hasher,
}

impl Part {
    /// Opens the part of `digest` and takes its lock. What is there already is hashed, to go on
    /// from; beyond `size` bytes it cannot be the right thing, and is dropped.
    ///
    /// `None` when another command holds the lock and `wait` is not set.
    pub(crate) fn open(
        folder: &Path,
        digest: Digest,
        size: u64,
        wait: bool,
    ) -> Result<Option<Self>> {
        let path = folder.join(format!("{}.part", digest.hex()));
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(Error::io("open", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if !wait => return Ok(None),
                Err(TryLockError::WouldBlock) => {
                    file.lock().map_err(Error::io("lock", &path))?;
                }
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
            }
            // Who had the lock before may have finished and renamed the file: then this lock is
            // one of a blob, and the part is to be made anew.
            if !is_still_at(&file, &path) {
                continue;
            }
            let mut part = Self { file, path, hasher: Hasher::new() };
            part.take_in(size)?;
            return Ok(Some(part));
        }
    }

    fn take_in(&mut self, size: u64) -> Result<()> {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = self.file.read(&mut buffer).map_err(Error::io("read", &self.path))?;
            self.hasher.update(&buffer[..read]);
            if self.len() > size {
                return self.restart();
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> u64 {
        self.hasher.len()
    }

    /// The hash of the bytes so far.
    pub(crate) fn digest(&self) -> Digest {
        self.hasher.finish()
    }

    /// Adds bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Drops all bytes.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map_err(Error::io("empty", &self.path))?;
        self.hasher = Hasher::new();
        Ok(())
    }

    /// Gives the verified bytes their name, on the disk for good.
    pub(crate) fn publish(self, blob: &Path) -> Result<()> {
        settle(&self.file, &self.path, blob)
    }

    /// Gives up a part that is not needed.
    pub(crate) fn discard(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(Error::io("remove", &self.path))
    }
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Syncs `file`, renames it from `path` to `blob` and makes it read-only. That the rename itself
/// survives a power cut is not waited for: a blob that is missing afterwards is fetched again.
pub(crate) fn settle(file: &File, path: &Path, blob: &Path) -> Result<()> {
    file.sync_all().map_err(Error::io("write", path))?;
    let folder = blob.parent().unwrap_or(blob);
    fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    fs::rename(path, blob).map_err(Error::io("rename", path))?;
    // Not before: under its first name another command may be opening it to write, and an ordinary
    // user could not.
    file.set_permissions(Permissions::from_mode(0o444)).map_err(Error::io("protect", blob))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path, wait: bool) -> Option<Part> {
        Part::open(folder, Digest::of("abcdef"), 6, wait).unwrap()
    }

    #[test]
    fn what_was_written_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), false).unwrap().append(b"abc").unwrap();
        let mut part = open(folder.path(), false).unwrap();
        assert_eq!(part.len(), 3);
        part.append(b"def").unwrap();
        assert_eq!(part.digest(), Digest::of("abcdef"));
        let blob = folder.path().join("x/blob");
        part.publish(&blob).unwrap();
        assert_eq!(fs::read(&blob).unwrap(), b"abcdef");
        assert_eq!(fs::metadata(&blob).unwrap().mode() & 0o777, 0o444);
    }

    #[test]
    fn more_bytes_than_the_file_has_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), false).unwrap().append(b"abcdefg").unwrap();
        assert_eq!(open(folder.path(), false).unwrap().len(), 0);
    }

    #[test]
    fn one_at_a_time_writes_and_who_waits_gets_a_part_of_its_own_after_the_other_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = open(folder.path(), false).unwrap();
        assert!(open(folder.path(), false).is_none());
        std::thread::scope(|scope| {
            let second = scope.spawn(|| open(folder.path(), true).unwrap().len());
            first.append(b"abcdef").unwrap();
            first.publish(&folder.path().join("x/blob")).unwrap();
            assert_eq!(second.join().unwrap(), 0, "not the first one's file under another name");
        });
        assert_eq!(fs::read(folder.path().join("x/blob")).unwrap(), b"abcdef");
    }
}
