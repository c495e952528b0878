//! The log of a disk's writes: the format of Linux's dm-log-writes, which QEMU's blklogwrites
//! writes as well (Linux, drivers/md/dm-log-writes.c and
//! Documentation/admin-guide/device-mapper/log-writes.rst; QEMU, block/blklogwrites.c).
//!
//! ```text
//! sector 0   u64 magic, u64 version 1, u64 number of entries, u32 bytes of a sector
//! an entry   u64 sector, u64 number of sectors, u64 flags, u64 length of a mark's text;
//!            a sector of it, and then the data, unless it is a discard
//! ```
//!
//! All numbers are little-endian. An entry is written when its write is done, so the order is
//! that of completion. Of the data only the place in the log is kept: a log may be far larger than
//! the memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

/// `log_write_super.magic`.
const MAGIC: u64 = 0x6a_7366_7773_6872;
const VERSION: u64 = 1;
/// Bytes of an entry's head.
const HEAD: usize = 32;

const FLUSH: u64 = 1;
const FUA: u64 = 1 << 1;
const DISCARD: u64 = 1 << 2;
const MARK: u64 = 1 << 3;
/// Tells metadata from data; QEMU does not know it, Linux does.
const METADATA: u64 = 1 << 4;

/// A log of writes.
#[derive(Clone, Debug)]
pub struct Log {
    file: Arc<File>,
    path: PathBuf,
    /// Bytes of the file.
    length: u64,
    /// Bytes of a sector.
    sector: u64,
    entries: u64,
}

/// Something that was done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of its entry in the log, from 0. One entry may do two things: a write that
    /// flushes first.
    pub number: u64,
    /// What was done.
    pub action: Action,
}

/// What was done to the disk. All numbers are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `length` bytes were written at `at`.
    Write {
        /// Where on the disk.
        at: u64,
        /// How many.
        length: u64,
        /// Where they stand in the log.
        data: u64,
        /// They were on the medium when the write was done ("force unit access").
        durable: bool,
    },
    /// All that was written before is on the medium.
    Flush,
    /// The content of these bytes was given up.
    Discard {
        /// Where on the disk.
        at: u64,
        /// How many.
        length: u64,
    },
}

impl Log {
    /// Opens a log. What is added to it from now on is not seen.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let no_log = |why| Error::NoLog { path: path.to_owned(), why };
        if length == 0 {
            return Err(no_log("it is empty: nothing was written, or nothing recorded"));
        }
        let mut head = [0; 28];
        file.read_exact_at(&mut head, 0).map_err(Error::io("read", path))?;
        if word(&head, 0) != MAGIC {
            return Err(no_log("another magic number"));
        }
        if word(&head, 1) != VERSION {
            return Err(no_log("another version"));
        }
        let sector = word(&head, 3);
        if !sector.is_power_of_two() || sector < HEAD as u64 {
            return Err(no_log("an impossible sector size"));
        }
        let entries = word(&head, 2);
        Ok(Self { file: Arc::new(file), path: path.to_owned(), length, sector, entries })
    }

    /// How many entries there are; while a machine runs, so far. What the machine has said to be
    /// done is before it.
    pub fn position(path: &Path) -> Result<u64> {
        if std::fs::metadata(path).is_ok_and(|found| found.len() == 0) {
            return Ok(0);
        }
        let mut log = Self::open(path)?;
        // Of two entries at a time it may be the first that counts last.
        let counted = std::mem::replace(&mut log.entries, u64::MAX);
        let mut there = counted;
        for entry in log.entries() {
            there = there.max(entry?.number + 1);
        }
        Ok(there)
    }

    /// What was done, in that order.
    pub fn entries(&self) -> Entries {
        Entries { log: self.clone(), number: 0, at: self.sector, second: None, ended: false }
    }

    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The entries of a log, read one by one.
#[derive(Debug)]
pub struct Entries {
    log: Log,
    number: u64,
    /// Where the next entry begins.
    at: u64,
    /// The second thing that the entry before has done.
    second: Option<Entry>,
    ended: bool,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.second.take() {
            return Some(Ok(entry));
        }
        while !self.ended {
            match self.read() {
                Ok(Some(entry)) => return Some(Ok(entry)),
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Entries {
    /// The next entry: none where it did nothing, or where there is none left.
    fn read(&mut self) -> Result<Option<Entry>> {
        // The last entry of a machine that was killed may be counted and not be there.
        if self.number == self.log.entries || self.at + self.log.sector > self.log.length {
            self.ended = true;
            return Ok(None);
        }
        let mut head = [0; HEAD];
        let read = self.log.file.read_exact_at(&mut head, self.at);
        read.map_err(Error::io("read", &self.log.path))?;
        let [sector, sectors, flags] = [0, 1, 2].map(|index| word(&head, index));
        if sectors == 0 && flags == 0 {
            self.ended = true;
            return Ok(None);
        }
        if flags & !(FLUSH | FUA | DISCARD | MARK | METADATA) != 0 {
            return Err(self.wrong(format!("unknown flags {flags:#x}")));
        }
        let bytes = |sectors: u64| sectors.checked_mul(self.log.sector);
        let place = bytes(sector).zip(bytes(sectors));
        let place = place.filter(|(at, length)| at.checked_add(*length).is_some());
        let Some((at, length)) = place else {
            return Err(self.wrong(format!("{sectors} sectors from {sector} are on no disk")));
        };
        let data = self.at + self.log.sector;
        let number = self.number;
        self.number += 1;
        self.at = data;
        let action = if flags & MARK != 0 || sectors == 0 {
            None
        } else if flags & DISCARD != 0 {
            Some(Action::Discard { at, length })
        } else {
            self.at = data.saturating_add(length);
            if self.at > self.log.length {
                self.ended = true;
                return Ok(None);
            }
            Some(Action::Write { at, length, data, durable: flags & FUA != 0 })
        };
        let action = action.map(|action| Entry { number, action });
        if flags & FLUSH == 0 {
            return Ok(action);
        }
        self.second = action;
        Ok(Some(Entry { number, action: Action::Flush }))
    }

    fn wrong(&self, why: String) -> Error {
        Error::Entry { path: self.log.path.clone(), entry: self.number, why }
    }
}

/// The number `index` of `bytes`; what is not there of it is 0.
fn word(bytes: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    for (byte, found) in word.iter_mut().zip(bytes.iter().skip(index * 8)) {
        *byte = *found;
    }
    u64::from_le_bytes(word)
}
