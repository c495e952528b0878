//! The partition table of a member's disk: that of an image or of the other disk, made for this
//! one's length (GPT; UEFI specification 2.10, chapter 5.3).

use crate::bytes::{crc32, get32, get64};
use crate::{Error, Result, SECTOR};

/// So many bytes from a disk's beginning are asked for: MBR, header, 128 entries.
pub const HEAD: usize = 34 * SECTOR as usize;
const ENTRIES: usize = 2 * SECTOR as usize;
const ENTRY: usize = 128;
const HEADER: usize = 92;

/// Bytes for a place on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// From the disk's beginning.
    pub offset: u64,
    /// What goes there.
    pub bytes: Vec<u8>,
}

/// What is new in a disk's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The disk's length in bytes.
    pub disk: u64,
    /// Where the last partition, the data's, ends: bytes from the beginning.
    pub data_end: u64,
    /// The GUID of the disk and of its two partitions, as they are in a table.
    pub guids: [[u8; 16]; 3],
}

/// A partition, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From the disk's beginning.
    pub start: u64,
    /// Its length.
    pub length: u64,
}

/// The two partitions of a disk that begins with `head`.
///
/// # Errors
/// It has another table than ours.
pub fn parts(head: &[u8]) -> Result<[Part; 2]> {
    check(head)?;
    let part = |entry: usize| {
        let at = ENTRIES + entry * ENTRY;
        let (first, last) = (get64(head, at + 32), get64(head, at + 40));
        match last.checked_sub(first) {
            Some(more) => Ok(Part {
                start: first.saturating_mul(SECTOR),
                length: more.saturating_add(1).saturating_mul(SECTOR),
            }),
            None => Err(Error::Table("has a partition that ends before it begins")),
        }
    };
    Ok([part(0)?, part(1)?])
}

/// The table's copy, and then the beginning of the disk, made of `head`.
///
/// # Errors
/// It has another table than ours, or the disk is too short for it.
pub fn changed(head: &[u8], change: &Change) -> Result<[Write; 2]> {
    let [_, data] = parts(head)?;
    let sectors = change.disk / SECTOR;
    let copy = sectors.saturating_sub(33);
    if change.data_end <= data.start || change.data_end / SECTOR > copy {
        return Err(Error::Table("has no room on this disk"));
    }
    let mut head = head[..HEAD].to_vec();
    // The protective partition covers the disk.
    let covered = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    head[446 + 12..446 + 16].copy_from_slice(&covered.to_le_bytes());
    let [disk, partitions @ ..] = change.guids;
    for (number, guid) in partitions.iter().enumerate() {
        let at = ENTRIES + number * ENTRY + 16;
        head[at..at + 16].copy_from_slice(guid);
    }
    let last = ENTRIES + ENTRY + 40;
    head[last..last + 8].copy_from_slice(&(change.data_end / SECTOR - 1).to_le_bytes());
    let entries = crc32(&head[ENTRIES..]);
    let header = |own: u64, other: u64, entries_at: u64| {
        let at = SECTOR as usize;
        let mut header = head[at..at + HEADER].to_vec();
        for (at, number) in [(24, own), (32, other), (48, copy - 1), (72, entries_at)] {
            header[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        header[56..72].copy_from_slice(&disk);
        header[88..92].copy_from_slice(&entries.to_le_bytes());
        header[16..20].fill(0);
        let sum = crc32(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        header
    };
    let (first, second) = (header(1, sectors - 1, 2), header(sectors - 1, 1, copy));
    let mut backup = head[ENTRIES..].to_vec();
    backup.extend(second);
    backup.resize(33 * SECTOR as usize, 0);
    head[SECTOR as usize..SECTOR as usize + HEADER].copy_from_slice(&first);
    Ok([Write { offset: copy * SECTOR, bytes: backup }, Write { offset: 0, bytes: head }])
}

fn check(head: &[u8]) -> Result<()> {
    let header = head.get(SECTOR as usize..HEAD).unwrap_or_default();
    let ours = header.len() >= HEADER
        && header.starts_with(b"EFI PART")
        && get32(header, 12) as usize == HEADER
        && get64(header, 72) == 2
        && (get32(header, 80), get32(header, 84)) == (128, ENTRY as u32)
        && get32(header, 88) == crc32(&head[ENTRIES..HEAD]);
    if ours { Ok(()) } else { Err(Error::Table("is none that Heirloom has made")) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use gpt::mbr::ProtectiveMBR;
    use gpt::{GptConfig, partition_types};

    use super::*;

    const MIB: u64 = 1 << 20;

    /// What an image begins with: boot and data, to its end.
    fn head() -> Vec<u8> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 * MIB).unwrap();
        let mut mbr = file.try_clone().unwrap();
        ProtectiveMBR::with_lb_size((64 * MIB / SECTOR - 1) as u32)
            .overwrite_lba0(&mut mbr)
            .unwrap();
        let config = GptConfig::new().writable(true);
        let mut table = config.create_from_device(file.try_clone().unwrap(), None).unwrap();
        let lba = |mib: u64| mib * MIB / SECTOR;
        table.add_partition_at("boot", 1, lba(16), lba(8), partition_types::EFI, 4).unwrap();
        table.add_partition_at("data", 2, lba(24), lba(39), partition_types::LINUX_FS, 0).unwrap();
        table.write().unwrap();
        let mut head = vec![0; HEAD];
        file.read_exact_at(&mut head, 0).unwrap();
        head
    }

    fn change(disk: u64) -> Change {
        Change { disk, data_end: 900 * MIB, guids: [[1; 16], [2; 16], [3; 16]] }
    }

    /// Read by another implementation, from the table and from its copy.
    #[test]
    fn the_table_and_its_copy_are_those_of_the_disk() {
        let length = 1000 * MIB + 3 * SECTOR;
        let file = tempfile::tempfile().unwrap();
        file.set_len(length).unwrap();
        for write in changed(&head(), &change(length)).unwrap() {
            file.write_all_at(&write.bytes, write.offset).unwrap();
        }
        let read = |file: &File| {
            let table = GptConfig::new().open_from_device(file.try_clone().unwrap()).unwrap();
            let data = table.partitions()[&2].clone();
            let guid = table.guid().to_bytes_le();
            (data.first_lba, data.last_lba, data.part_guid.to_bytes_le(), guid, data.name)
        };
        let wanted = (24 * 2048, 900 * 2048 - 1, [3; 16], [1; 16], "data".to_owned());
        assert_eq!(read(&file), wanted);
        file.write_all_at(&[0; 512], SECTOR).unwrap();
        assert_eq!(read(&file), wanted, "from the copy");
        let mut covered = [0; 4];
        file.read_exact_at(&mut covered, 446 + 12).unwrap();
        assert_eq!(u64::from(u32::from_le_bytes(covered)), length / SECTOR - 1);
    }

    #[test]
    fn partitions_are_read() {
        let [boot, data] = parts(&head()).unwrap();
        assert_eq!((boot.start, boot.length), (16 * MIB, 8 * MIB));
        assert_eq!((data.start, data.length), (24 * MIB, 39 * MIB));
    }

    #[test]
    fn a_disk_without_room_and_a_table_of_another_kind_are_refused() {
        for disk in [0, SECTOR, 30 * MIB, 900 * MIB] {
            assert!(changed(&head(), &change(disk)).is_err(), "{disk}");
        }
        let early = Change { data_end: 20 * MIB, ..change(1000 * MIB) };
        assert!(changed(&head(), &early).is_err());
        for length in [0, 512, 1024, HEAD - 1] {
            assert!(parts(&head()[..length]).is_err());
        }
        let mut damaged = head();
        damaged[1024 + 40] ^= 1;
        assert!(parts(&damaged).is_err());
        assert!(parts(&vec![0; HEAD]).is_err());
    }
}
