//! An image file or a device, opened to be read, and where its data filesystem begins.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where ext4 has its superblock, and in it the magic number (kernel, fs/ext4/ext4.h).
const SUPERBLOCK: u64 = 1024;
const MAGIC_AT: u64 = SUPERBLOCK + 0x38;
const MAGIC: [u8; 2] = [0x53, 0xef];

/// A GPT has at most so many entries here: what UEFI wants at least, and every tool writes.
const ENTRIES: u32 = 128;

/// A disk that is read.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    path: PathBuf,
    size: u64,
}

/// Whether a file is an image of QEMU's own form, which cannot be read as it lies.
///
/// # Errors
/// It cannot be read.
pub fn is_qcow2(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut magic = [0; 4];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) => Ok(magic == *b"QFI\xfb"),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

impl Disk {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |action| Error::io(action, path);
        let mut file = File::open(path).map_err(failed("open"))?;
        let kind = file.metadata().map_err(failed("read"))?.file_type();
        if kind.is_dir() {
            return Err(Error::NotOurs { path: path.into(), why: "it is a directory" });
        }
        // Of a device, too, this is its size.
        let size = file.seek(SeekFrom::End(0)).map_err(failed("read"))?;
        Ok(Self { file, path: path.to_owned(), size })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }

    /// Where something that looks like an ext4 begins: the partitions of a GPT, or the start of a
    /// partition that was named itself.
    pub(crate) fn candidates(&self) -> Vec<u64> {
        let starts = [512, 4096].into_iter().flat_map(|sector| self.partitions(sector));
        let starts: Vec<u64> = [0].into_iter().chain(starts).collect();
        starts.into_iter().filter(|start| self.has_ext4(*start)).collect()
    }

    /// The starts of a GPT's partitions, in bytes; none where there is no GPT (UEFI 2.10, 5.3).
    /// Checksums are not looked at: what a partition has is, and a damaged table is read as well
    /// as it can be.
    fn partitions(&self, sector: u64) -> Vec<u64> {
        let last = self.size.saturating_sub(sector);
        [sector, last].into_iter().flat_map(|header| self.table(header, sector)).collect()
    }

    fn table(&self, header: u64, sector: u64) -> Vec<u64> {
        let mut bytes = [0; 92];
        if self.read(header, &mut bytes).is_err() || bytes[..8] != *b"EFI PART" {
            return Vec::new();
        }
        let first = u64_at(&bytes, 72).saturating_mul(sector);
        let count = u32_at(&bytes, 80).min(ENTRIES);
        let size = u32_at(&bytes, 84);
        if !(128..=4096).contains(&size) {
            return Vec::new();
        }
        let mut starts = Vec::new();
        for number in 0..u64::from(count) {
            let mut entry = [0; 48];
            let at = first.saturating_add(number * u64::from(size));
            if self.read(at, &mut entry).is_ok() && entry[..16] != [0; 16] {
                starts.push(u64_at(&entry, 32).saturating_mul(sector));
            }
        }
        starts
    }

    fn has_ext4(&self, start: u64) -> bool {
        let mut magic = [0; 2];
        let at = start.saturating_add(MAGIC_AT);
        self.read(at, &mut magic).is_ok() && magic == MAGIC
    }

    /// The number of inodes that the superblock of the filesystem at `start` says.
    pub(crate) fn inodes(&self, start: u64) -> u64 {
        let mut count = [0; 4];
        let read = self.read(start.saturating_add(SUPERBLOCK), &mut count);
        if read.is_ok() { u64::from(u32::from_le_bytes(count)) } else { 0 }
    }
}

/// Little-endian numbers in a header whose length is known.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let part = bytes.get(at..at + 4).and_then(|part| part.try_into().ok());
    part.map_or(0, u32::from_le_bytes)
}

/// See [`u32_at`].
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let part = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
    part.map_or(0, u64::from_le_bytes)
}
