//! Tables are made and read back by the `gpt` crate: a second implementation.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ::gpt::disk::LogicalBlockSize;
use ::gpt::mbr::ProtectiveMBR;
use ::gpt::{GptConfig, partition_types};
use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

/// A disk file of `from` bytes with a boot and a data partition up to its end, grown to `to`.
fn disk(from: u64, to: u64, block: LogicalBlockSize) -> (File, Disk) {
    let file = tempfile::tempfile().unwrap();
    file.set_len(from).unwrap();
    let sector = block.as_u64();
    let lba = u32::try_from(from / sector - 1).unwrap();
    let mut mbr = file.try_clone().unwrap();
    ProtectiveMBR::with_lb_size(lba).overwrite_lba0(&mut mbr).unwrap();
    let mut table = GptConfig::new()
        .writable(true)
        .logical_block_size(block)
        .create_from_device(file.try_clone().unwrap(), None)
        .unwrap();
    table
        .add_partition_at("boot", 1, MIB / sector, 4 * MIB / sector, partition_types::EFI, 4)
        .unwrap();
    let data = 5 * MIB / sector;
    let length = table.header().last_usable - data;
    table.add_partition_at("data", 2, data, length, partition_types::LINUX_FS, 0).unwrap();
    table.write().unwrap();
    file.set_len(to).unwrap();
    (file, Disk { sector, sectors: to / sector })
}

fn head(file: &File) -> Vec<u8> {
    let mut head = vec![0; HEAD];
    file.read_exact_at(&mut head, 0).unwrap();
    head
}

fn apply(file: &File, growth: &Growth, writes: usize) {
    for write in &growth.writes[..writes] {
        file.write_all_at(&write.bytes, write.offset).unwrap();
    }
}

/// First and last sector of the data partition, as the `gpt` crate reads them.
fn data_partition(file: &File, block: LogicalBlockSize) -> (u64, u64) {
    let table = GptConfig::new()
        .logical_block_size(block)
        .open_from_device(file.try_clone().unwrap())
        .unwrap();
    let data = &table.partitions()[&2];
    (data.first_lba, data.last_lba)
}

#[test]
fn the_data_partition_reaches_the_end_of_a_larger_disk() {
    for block in [LogicalBlockSize::Lb512, LogicalBlockSize::Lb4096] {
        let (file, disk) = disk(64 * MIB, 1000 * MIB, block);
        let growth = grow(disk, &head(&file), 2).unwrap().unwrap();
        assert_eq!(growth.start, 5 * MIB);
        assert_eq!(growth.length % 4096, 0);
        let left = 1000 * MIB - growth.start - growth.length;
        assert!(left < 64 * 1024, "only the backup table lies behind: {left} bytes");

        apply(&file, &growth, growth.writes.len());
        let (first, last) = data_partition(&file, block);
        assert_eq!(first * disk.sector, growth.start);
        assert_eq!((last + 1 - first) * disk.sector, growth.length);
        assert_eq!(grow(disk, &head(&file), 2), Ok(None), "once is enough");
    }
}

#[test]
fn the_bootloader_and_the_other_partition_are_left_as_they_were() {
    let block = LogicalBlockSize::Lb512;
    let (file, disk) = disk(64 * MIB, 128 * MIB, block);
    file.write_all_at(&[0xfa; 440], 0).unwrap();
    let before = head(&file);
    let growth = grow(disk, &before, 2).unwrap().unwrap();
    apply(&file, &growth, growth.writes.len());
    let after = head(&file);
    assert_eq!(before[..446], after[..446]);
    assert_eq!(before[1024..1024 + 128], after[1024..1024 + 128]);
    assert_eq!(get32(&after, 446 + 12), 128 * 2048 - 1, "the protective MBR covers the disk");
}

#[test]
fn a_power_cut_between_two_writes_leaves_a_table_that_can_be_read() {
    let block = LogicalBlockSize::Lb512;
    for writes in 0..=2 {
        let (file, disk) = disk(64 * MIB, 128 * MIB, block);
        let before = data_partition(&file, block);
        let growth = grow(disk, &head(&file), 2).unwrap().unwrap();
        apply(&file, &growth, writes);
        let (first, last) = data_partition(&file, block);
        let after = (growth.start / 512, (growth.start + growth.length) / 512 - 1);
        assert!((first, last) == before || (first, last) == after, "after {writes} writes");
    }
}

#[test]
fn the_primary_table_changes_in_one_block() {
    let (file, disk) = disk(64 * MIB, 128 * MIB, LogicalBlockSize::Lb512);
    let growth = grow(disk, &head(&file), 2).unwrap().unwrap();
    assert_eq!((growth.writes[1].offset, growth.writes[1].bytes.len()), (0, 4096));
}

#[test]
fn a_disk_that_fits_is_left_alone() {
    for more in [0, 512, MIB / 2] {
        let (file, disk) = disk(64 * MIB, 64 * MIB + more, LogicalBlockSize::Lb512);
        assert_eq!(grow(disk, &head(&file), 2), Ok(None), "{more} bytes more");
    }
}

#[test]
fn only_a_partition_that_is_there_and_last_grows() {
    let (file, disk) = disk(64 * MIB, 128 * MIB, LogicalBlockSize::Lb512);
    assert_eq!(grow(disk, &head(&file), 1), Err(Error::NotLast(1)));
    for number in [0, 3, 200, u32::MAX] {
        assert_eq!(grow(disk, &head(&file), number), Err(Error::NoPartition(number)));
    }
}

#[test]
fn a_damaged_table_is_refused() {
    let (file, disk) = disk(64 * MIB, 128 * MIB, LogicalBlockSize::Lb512);
    for at in [512, 512 + 16, 512 + 72, 512 + 84, 1024 + 40, 1024 + 128 * 127] {
        let mut head = head(&file);
        head[at] ^= 0x10;
        assert!(matches!(grow(disk, &head, 2), Err(Error::Invalid(_))), "byte {at}");
    }
    assert!(matches!(grow(disk, &[0; HEAD], 2), Err(Error::Invalid(_))));
}

proptest! {
    #[test]
    fn no_table_however_hostile_makes_it_write_outside_the_disk(
        edits in proptest::collection::vec((0usize..92, any::<u8>()), 0..8),
        sectors in 1u64..1 << 40,
        number in 0u32..300,
    ) {
        let (file, _) = disk(64 * MIB, 128 * MIB, LogicalBlockSize::Lb512);
        let mut head = head(&file);
        for (at, byte) in edits {
            head[512 + at] = byte;
        }
        let size = get32(&head, 512 + 12) as usize;
        if (HEADER_SIZE..=512).contains(&size) {
            seal(&mut head[512..512 + size]);
        }
        let disk = Disk { sector: 512, sectors };
        if let Ok(Some(growth)) = grow(disk, &head, number) {
            for write in growth.writes {
                prop_assert!(write.offset + write.bytes.len() as u64 <= sectors * 512);
            }
        }
    }
}
