//! Where the partitions of a state are, by its GPT (UEFI specification 2.10, chapter 5).

use std::ops::Range;

use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;

use crate::choose::SECTOR;
use crate::state::State;
use crate::view::View;

/// A partition table is read from so many bytes at most: two headers and two arrays.
const MOST: u64 = 16 << 20;

/// The partitions of a disk, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// The first: the FAT that firmware and bootloader read.
    pub boot: Range<u64>,
    /// The second: the ext4 with `/imgs` and `/state`.
    pub data: Range<u64>,
}

impl Partitions {
    /// Those of `state`; what is wrong with its table, where it has none that can be used. The
    /// primary table has to be whole: the boot code of BIOS machines reads no other.
    pub fn of(state: &State) -> Result<Self, String> {
        let whole = View::new(state, 0..state.size(), MOST);
        let table = GptConfig::new().logical_block_size(LogicalBlockSize::Lb512);
        let table = table.open_from_device(whole).map_err(|error| error.to_string())?;
        table.primary_header().map_err(|error| format!("primary header: {error}"))?;
        let place = |number: u32| {
            let found = table.partitions().get(&number).filter(|found| found.is_used());
            let found = found.ok_or_else(|| format!("no partition {number}"))?;
            let end = found.last_lba.checked_add(1).and_then(|end| end.checked_mul(SECTOR));
            let end = end.filter(|end| *end <= state.size() && found.first_lba < *end / SECTOR);
            let end = end.ok_or_else(|| format!("partition {number} is not on the disk"))?;
            Ok::<_, String>(found.first_lba * SECTOR..end)
        };
        Ok(Self { boot: place(1)?, data: place(2)? })
    }
}
