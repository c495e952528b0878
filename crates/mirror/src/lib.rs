//! A mirror of two disks: what `install` writes, what init starts, what the agent repairs.
//!
//! The data partitions are an array of Linux's md: RAID-1 with metadata 1.0, whose superblock is
//! at the partition's end, so that the filesystem begins where the partition does and a bootloader
//! or a rescue system reads a single member as the plain partition that it was. The boot
//! partitions are no array: firmware and bootloaders write to the one that they were started from
//! and know nothing of md. They are two filesystems with the same files, which the agent keeps
//! in step (`boot::Mirrored`).
//!
//! [`superblock`], [`choose`] and [`table`] are pure functions of bytes. [`mod@array`] speaks to the
//! kernel through files of sysfs (Documentation/admin-guide/md.rst), and so needs no `unsafe` and
//! no mdadm.

pub mod array;
pub mod bytes;
pub mod choose;
pub mod error;
pub mod superblock;
pub mod table;

pub use error::{Error, Result};
pub use superblock::Superblock;

/// Bytes of a sector. Disks with others are refused at install.
pub const SECTOR: u64 = 512;

/// How much of the smaller disk is left free at its end (bytes): a disk that takes the place of
/// one of the two may have a little less, as others of the same nominal size do.
pub const SLACK: u64 = 64 << 20;

/// Where the data partitions end, in bytes from the disk's beginning, on disks of which the smaller
/// has `smaller` bytes: the same place on both.
pub fn data_end(smaller: u64) -> u64 {
    (smaller.saturating_sub(SLACK) >> 20) << 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_ends_before_the_end_of_the_smaller_disk_and_its_table() {
        assert_eq!(data_end(2 << 30), (2 << 30) - SLACK);
        assert_eq!(data_end((2 << 30) + 12345), (2 << 30) - SLACK);
        assert_eq!(data_end(1000), 0);
    }
}
