//! A disk in memory that records what is written to it.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use powercut::{Plan, Replay};
use tempfile::TempDir;

pub(crate) const SECTOR: usize = 512;
pub(crate) const FLUSH: u64 = 1;
pub(crate) const FUA: u64 = 2;
pub(crate) const DISCARD: u64 = 4;
pub(crate) const MARK: u64 = 8;

/// The bytes of a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    entries: u64,
    bytes: Vec<u8>,
}

impl Written {
    /// An entry; `data` is whole sectors, except for a mark.
    pub(crate) fn entry(
        &mut self,
        sector: u64,
        sectors: u64,
        flags: u64,
        data: &[u8],
    ) -> &mut Self {
        let mark = if flags & MARK != 0 { data } else { &[] };
        for number in [sector, sectors, flags, mark.len() as u64] {
            self.bytes.extend(number.to_le_bytes());
        }
        self.bytes.extend(mark);
        self.bytes.resize(self.bytes.len().next_multiple_of(SECTOR), 0);
        if mark.is_empty() {
            self.bytes.extend(data);
        }
        self.entries += 1;
        self
    }

    /// A write of whole sectors.
    pub(crate) fn write(&mut self, sector: u64, data: &[u8]) -> &mut Self {
        self.entry(sector, (data.len() / SECTOR) as u64, 0, data)
    }

    pub(crate) fn flush(&mut self) -> &mut Self {
        self.entry(0, 0, FLUSH, &[])
    }

    /// The file, whose head says that it has so many entries.
    pub(crate) fn file(&self, entries: u64) -> Vec<u8> {
        let mut file = Vec::new();
        for number in [0x6a_7366_7773_6872, 1, entries, SECTOR as u64] {
            file.extend(number.to_le_bytes());
        }
        file.resize(SECTOR, 0);
        file.extend(&self.bytes);
        file
    }
}

/// A disk before, and its log, as files.
pub(crate) struct Recorded {
    folder: TempDir,
}

impl Recorded {
    pub(crate) fn new(base: &[u8], log: &Written) -> Self {
        let recorded = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(recorded.base(), base).unwrap();
        fs::write(recorded.log(), log.file(log.entries)).unwrap();
        recorded
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.folder.path().join("base")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn replay(&self, plan: Plan) -> Replay {
        Replay::open(&self.base(), None, &self.log(), plan).unwrap()
    }
}

/// Sectors filled with one byte.
pub(crate) fn sectors(byte: u8, count: usize) -> Vec<u8> {
    vec![byte; count * SECTOR]
}

/// A disk in memory; what is written to it from its beginning on is recorded, a whole sector each.
#[derive(Clone)]
pub(crate) struct Recorder {
    disk: Rc<RefCell<Cursor<Vec<u8>>>>,
    log: Rc<RefCell<Written>>,
}

impl Recorder {
    pub(crate) fn new(disk: Vec<u8>) -> Self {
        Self { disk: Rc::new(RefCell::new(Cursor::new(disk))), log: Rc::default() }
    }

    pub(crate) fn disk(&self) -> Vec<u8> {
        self.disk.borrow().get_ref().clone()
    }

    pub(crate) fn log(&self) -> Written {
        self.log.borrow().clone()
    }

    /// As fsync does.
    pub(crate) fn sync(&self) {
        self.log.borrow_mut().flush();
    }
}

impl Read for Recorder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.borrow_mut().read(buffer)
    }
}

impl Seek for Recorder {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.disk.borrow_mut().seek(to)
    }
}

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.disk.borrow_mut();
        let at = disk.position() as usize;
        let written = disk.write(bytes)?;
        let start = at / SECTOR * SECTOR;
        let end = (at + written).next_multiple_of(SECTOR);
        self.log.borrow_mut().write((start / SECTOR) as u64, &disk.get_ref()[start..end]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
