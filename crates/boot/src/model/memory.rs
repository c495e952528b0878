//! A boot partition in memory whose power fails in the middle of an operation.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use crate::partition::{MAX_FILE, SECTOR};
use crate::{Error, Partition, Result};

/// A boot partition in memory.
///
/// The power can fail during an operation that changes something: it fails then, in one of the
/// states that [`Partition`] names, and every one behind it does nothing, until the power is on
/// again.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<String, Vec<u8>>,
    /// Bytes of files that are gone: a new file may be found to have them.
    freed: Vec<Vec<u8>>,
    /// Operations before the power fails; nothing for power that lasts.
    left: Option<usize>,
    torn: u8,
    off: bool,
    capacity: Option<u64>,
    operations: usize,
}

/// The power during one operation.
enum Power {
    On,
    Failing,
    Off,
}

impl Memory {
    /// A partition with these files.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self { files: files.into_iter().collect(), ..Self::default() }
    }

    /// The same with room for so many bytes of files.
    #[must_use]
    pub fn with_capacity(mut self, bytes: u64) -> Self {
        self.capacity = Some(bytes);
        self
    }

    /// Switches the power on; it fails during the operation behind the next `operations`, and
    /// `torn` chooses the state that this one leaves. Nothing for power that lasts.
    pub fn power(&mut self, operations: Option<usize>, torn: u8) {
        self.left = operations;
        self.torn = torn;
        self.off = false;
    }

    /// Whether the power has failed.
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// So many operations have changed something.
    pub fn operations(&self) -> usize {
        self.operations
    }

    /// A file's bytes.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Puts a file there at once, as firmware or an image does.
    pub fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), bytes.into());
    }

    /// Takes a file away at once.
    pub fn take(&mut self, path: &str) -> Option<Vec<u8>> {
        self.files.remove(path)
    }

    fn spend(&mut self) -> Power {
        if self.off {
            return Power::Off;
        }
        match &mut self.left {
            Some(0) => {
                self.off = true;
                return Power::Failing;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.operations += 1;
        Power::On
    }

    /// What the disk may have in place of bytes that did not reach it.
    fn stale(&self, length: usize) -> Vec<u8> {
        let old = self.freed.iter().rev().nth(usize::from(self.torn) / 8);
        let mut bytes = old.cloned().unwrap_or_default();
        bytes.resize(length, 0);
        bytes
    }
}

fn failed(path: &str) -> Error {
    Error::io("write", path)(io::Error::other("the power failed"))
}

impl Partition for Memory {
    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let inside = |path: &String| {
            let name = path.strip_prefix(folder)?.strip_prefix('/')?;
            (!name.contains('/')).then(|| name.to_owned())
        };
        Ok(self.files.keys().filter_map(inside).collect())
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.files.get(path).filter(|bytes| bytes.len() as u64 <= MAX_FILE).cloned())
    }

    fn size(&self, path: &str) -> Result<Option<u64>> {
        Ok(self.files.get(path).map(|bytes| bytes.len() as u64))
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>> {
        let bytes = self.files.get(path);
        let bytes = bytes.ok_or_else(|| Error::io("open", path)(io::ErrorKind::NotFound.into()))?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn create(&mut self, path: &str, content: &mut dyn Read) -> Result<()> {
        if self.files.contains_key(path) {
            return Err(Error::io("make", path)(io::ErrorKind::AlreadyExists.into()));
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(Error::io("write", path))?;
        match self.spend() {
            Power::On => drop(self.files.insert(path.to_owned(), bytes)),
            Power::Failing => {
                let half = bytes.len() / 2;
                let left = match self.torn % 6 {
                    0 => None,
                    1 => Some(Vec::new()),
                    2 => Some(self.stale(bytes.len())),
                    3 => Some([&bytes[..half], &self.stale(bytes.len())[half..]].concat()),
                    4 => Some(bytes[..half].to_vec()),
                    _ => Some(bytes),
                };
                if let Some(left) = left {
                    self.files.insert(path.to_owned(), left);
                }
                return Err(failed(path));
            }
            Power::Off => return Err(failed(path)),
        }
        Ok(())
    }

    fn overwrite(&mut self, path: &str, offset: u64, new: &[u8]) -> Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(new.len());
        if new.is_empty() || start / SECTOR != (end - 1) / SECTOR {
            return Err(Error::broken(path, "more than one sector was to be overwritten"));
        }
        let power = self.spend();
        let done = match power {
            Power::On => true,
            Power::Failing => self.torn % 2 == 1,
            Power::Off => false,
        };
        let place = self.files.get_mut(path).and_then(|bytes| bytes.get_mut(start..end));
        let place = place.ok_or_else(|| Error::broken(path, "it is not there, or too short"))?;
        if done {
            place.copy_from_slice(new);
        }
        if matches!(power, Power::On) { Ok(()) } else { Err(failed(path)) }
    }

    fn remove(&mut self, path: &str) -> Result<()> {
        if !self.files.contains_key(path) {
            return Ok(());
        }
        let power = self.spend();
        let done = match power {
            Power::On => true,
            Power::Failing => self.torn % 2 == 1,
            Power::Off => false,
        };
        if done {
            self.freed.extend(self.files.remove(path));
        }
        if matches!(power, Power::On) { Ok(()) } else { Err(failed(path)) }
    }

    fn free(&self) -> Result<u64> {
        let used: usize = self.files.values().map(Vec::len).sum();
        Ok(self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used as u64)))
    }
}
