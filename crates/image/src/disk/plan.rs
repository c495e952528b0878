//! Where everything is on a disk.
//!
//! ```text
//!       0  protective MBR with boot code, primary GPT
//!  16 MiB  boot: FAT32, 256 MiB
//! 272 MiB  data: ext4
//!   end-1  backup GPT in the last MiB
//! ```
//!
//! The first 16 MiB are free: firmware of boards without flash keeps its loaders there.

use std::ops::Range;

const MIB: u64 = 1 << 20;

/// Where the boot partition begins, in bytes.
const BOOT_START: u64 = 16 * MIB;
/// The length of the boot partition in bytes: room for half a dozen generations.
const BOOT_SIZE: u64 = 256 * MIB;

/// Room for state and one more generation where the disk is no larger than the image, and for
/// the filesystem's own: 64 MiB of journal, inode tables, the room to grow.
const SLACK: u64 = 384 * MIB;

/// The image's length is a multiple of this, so that a slightly larger layer moves nothing.
const STEP: u64 = 64 * MIB;

/// The places of a disk, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    size: u64,
}

impl Plan {
    /// A disk whose data partition has room for `content` bytes and to spare.
    pub(super) fn new(content: u64) -> Self {
        // Inode tables and bitmaps are 1.6 % of a filesystem.
        let data = content + content / 50 + SLACK;
        Self { size: (BOOT_START + BOOT_SIZE + data + MIB).next_multiple_of(STEP) }
    }

    /// The length of the whole disk.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The boot partition.
    pub(super) fn boot(&self) -> Range<u64> {
        BOOT_START..BOOT_START + BOOT_SIZE
    }

    /// The data partition.
    pub(super) fn data(&self) -> Range<u64> {
        self.boot().end..self.size - MIB
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_in_order_and_aligned() {
        for content in [0, 1, 180 * MIB, 5000 * MIB + 1] {
            let plan = Plan::new(content);
            assert_eq!(plan.boot(), 16 * MIB..272 * MIB);
            assert_eq!(plan.data().start, plan.boot().end);
            assert!(plan.data().end - plan.data().start > content + 300 * MIB);
            assert!(plan.size() - plan.data().end >= MIB && plan.size().is_multiple_of(STEP));
        }
    }

    #[test]
    fn a_little_more_content_moves_nothing() {
        assert_eq!(Plan::new(180 * MIB), Plan::new(180 * MIB + 4096));
    }
}
