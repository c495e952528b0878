//! Growing the last partition of a GPT disk to the end of the disk.
//!
//! Format: UEFI specification 2.10, chapter 5.3. Numbers are little endian; a header is 92 bytes
//! at the beginning of its sector: signature, revision, size, CRC-32 of itself with this field 0,
//! 4 bytes, own LBA at 24, the other header's LBA at 32, first and last usable LBA at 40 and 48,
//! disk GUID, LBA of the entries at 72, number and size of entries at 80 and 84, CRC-32 of the
//! entries at 88. An entry is type GUID, own GUID, first and last LBA at 32 and 40, flags, name.
//!
//! This module reads and computes; it writes nothing. Linux reads the backup table only when told
//! to (`gpt` on its command line), so the primary must be valid whenever the power goes. Hence two
//! writes: the backup at the disk's new end, then protective MBR, primary header and the changed
//! entry at once. With sectors of 512 bytes these lie in the first 4096 bytes of the disk, one
//! block of the page cache and of most disks; with sectors of 4096 bytes they are three, and a cut
//! between them is repaired from the backup (`sgdisk`, firmware).

use mirror::bytes::{crc32, get32, get64};

/// A disk's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Bytes a logical sector: 512 or 4096.
    pub(crate) sector: u64,
    /// Its sectors.
    pub(crate) sectors: u64,
}

/// Bytes for a place on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    /// From the beginning of the disk, in bytes.
    pub(crate) offset: u64,
    /// What goes there.
    pub(crate) bytes: Vec<u8>,
}

/// How a partition grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Where the partition starts, in bytes.
    pub(crate) start: u64,
    /// How long it becomes, in bytes.
    pub(crate) length: u64,
    /// To be written in this order, the first on the disk before the second begins.
    pub(crate) writes: [Write; 2],
}

/// Why a partition cannot grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// There is no valid primary header, or its entries are damaged.
    #[error("the disk has no valid GPT: {0}")]
    Invalid(&'static str),
    /// The partition is not in the table.
    #[error("the partition table has no partition {0}")]
    NoPartition(u32),
    /// Another partition lies behind it.
    #[error("partition {0} is not the last of its disk")]
    NotLast(u32),
}

/// So many bytes from the beginning of the disk hold MBR, header and entries: 128 entries of 128
/// bytes are usual, twice that is read.
pub(crate) const HEAD: usize = 2 * 4096 + 2 * 128 * 128;

/// Less than this (bytes) is not worth a new table: it is what alignment leaves over.
const WORTH: u64 = 1 << 20;
/// A partition ends at a multiple of this (bytes), as ext4's blocks do.
const ALIGNMENT: u64 = 4096;
const HEADER_SIZE: usize = 92;

/// How partition `number` (from 1) of a disk that begins with `head` ([`HEAD`] bytes) grows to its
/// end; nothing when it reaches there already.
pub(crate) fn grow(disk: Disk, head: &[u8], number: u32) -> Result<Option<Growth>, Error> {
    let table = Table::read(disk, head)?;
    let entry = table.entry(number)?;
    let used = |at: usize| table.entries[at..at + 16].iter().any(|byte| *byte != 0);
    let (first, last) = (get64(&table.entries, entry + 32), get64(&table.entries, entry + 40));
    if !used(entry) {
        return Err(Error::NoPartition(number));
    }
    let mut starts = (0..table.entries.len()).step_by(table.entry_size);
    if starts.any(|at| used(at) && get64(&table.entries, at + 32) > first) {
        return Err(Error::NotLast(number));
    }

    let array = (table.entries.len() as u64).div_ceil(disk.sector);
    let Some(backup) = disk.sectors.checked_sub(1 + array) else {
        return Err(Error::Invalid("the disk is shorter than its table"));
    };
    let step = (ALIGNMENT / disk.sector).max(1);
    let end = backup / step * step;
    if first > last || end <= last + WORTH / disk.sector {
        return Ok(None);
    }

    let mut entries = table.entries.clone();
    put64(&mut entries, entry + 40, end - 1);
    let crc = crc32(&entries);
    let header = |own: u64, other: u64, entries_at: u64| {
        let mut header = table.header.clone();
        put64(&mut header, 24, own);
        put64(&mut header, 32, other);
        put64(&mut header, 48, backup - 1);
        put64(&mut header, 72, entries_at);
        header[88..92].copy_from_slice(&crc.to_le_bytes());
        seal(&mut header);
        header
    };

    let mut second = vec![0; ((array + 1) * disk.sector) as usize];
    second[..entries.len()].copy_from_slice(&entries);
    let secondary = header(disk.sectors - 1, 1, backup);
    let at = (array * disk.sector) as usize;
    second[at..at + secondary.len()].copy_from_slice(&secondary);

    let mut first_bytes = head.to_vec();
    protect(disk, &mut first_bytes);
    let primary = header(1, disk.sectors - 1, table.entries_at);
    let at = disk.sector as usize;
    first_bytes[at..at + primary.len()].copy_from_slice(&primary);
    let at = (table.entries_at * disk.sector) as usize;
    first_bytes[at..at + entries.len()].copy_from_slice(&entries);
    // What lies behind the block with the changed entry is as it was.
    first_bytes.truncate((at + entry + table.entry_size).next_multiple_of(ALIGNMENT as usize));

    let writes = [
        Write { offset: backup * disk.sector, bytes: second },
        Write { offset: 0, bytes: first_bytes },
    ];
    let (start, length) = (first * disk.sector, (end - first) * disk.sector);
    Ok(Some(Growth { start, length, writes }))
}

/// A valid primary header and its entries.
struct Table {
    /// The header, without what follows it in its sector.
    header: Vec<u8>,
    entries: Vec<u8>,
    entries_at: u64,
    entry_size: usize,
}

impl Table {
    fn read(disk: Disk, head: &[u8]) -> Result<Self, Error> {
        let sector = usize::try_from(disk.sector).unwrap_or(usize::MAX);
        let cut = Err(Error::Invalid("its entries lie too far back"));
        let Some(found) = head.get(sector..).filter(|found| found.len() >= HEADER_SIZE) else {
            return Err(Error::Invalid("the disk is too short"));
        };
        if !found.starts_with(b"EFI PART") {
            return Err(Error::Invalid("no header in the second sector"));
        }
        let size = get32(found, 12) as usize;
        if size < HEADER_SIZE || size > sector || size > found.len() {
            return Err(Error::Invalid("a header of impossible size"));
        }
        let header = found[..size].to_vec();
        let mut sealed = header.clone();
        seal(&mut sealed);
        if sealed != header || get64(&header, 24) != 1 {
            return Err(Error::Invalid("the header's checksum does not match"));
        }
        let (entries_at, entry_size) = (get64(&header, 72), get32(&header, 84) as usize);
        let count = get32(&header, 80) as usize;
        if entry_size < 128 || entry_size % 8 != 0 || entries_at < 2 {
            return Err(Error::Invalid("entries of impossible size or place"));
        }
        let Some(length) = count.checked_mul(entry_size).filter(|length| *length <= HEAD) else {
            return cut;
        };
        let from = entries_at.checked_mul(disk.sector).and_then(|from| usize::try_from(from).ok());
        let range = from.and_then(|from| Some(from..from.checked_add(length)?));
        let Some(entries) = range.and_then(|range| head.get(range)) else {
            return cut;
        };
        if crc32(entries) != get32(&header, 88) {
            return Err(Error::Invalid("the entries' checksum does not match"));
        }
        Ok(Self { header, entries: entries.to_vec(), entries_at, entry_size })
    }

    /// Where the entry of partition `number` begins in the entries.
    fn entry(&self, number: u32) -> Result<usize, Error> {
        let missing = Error::NoPartition(number);
        let index = number.checked_sub(1).ok_or(missing)? as usize;
        let at = index.checked_mul(self.entry_size).ok_or(missing)?;
        if at < self.entries.len() { Ok(at) } else { Err(missing) }
    }
}

/// Makes the protective partition (type 0xEE) as long as the disk, if the first MBR entry is one.
fn protect(disk: Disk, head: &mut [u8]) {
    const ENTRY: usize = 446;
    if head[ENTRY + 4] == 0xee && head[510..512] == [0x55, 0xaa] {
        let length = u32::try_from(disk.sectors - 1).unwrap_or(u32::MAX);
        head[ENTRY + 12..ENTRY + 16].copy_from_slice(&length.to_le_bytes());
    }
}

/// Sets the header's checksum of itself.
fn seal(header: &mut [u8]) {
    header[16..20].fill(0);
    let crc = crc32(header);
    header[16..20].copy_from_slice(&crc.to_le_bytes());
}

fn put64(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests;
