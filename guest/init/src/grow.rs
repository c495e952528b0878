//! First boot on a larger disk: the data partition and its filesystem take all of it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::device::{self, Device};
use crate::error::{Context, Result};
use crate::superblock::Ext4;
use crate::{gpt, ioctl};

/// Grows the partition that `device` is to the end of its disk, in the table and in the kernel.
/// Returns its new length in bytes; nothing when there was nothing to do.
pub(crate) fn partition(device: &Device) -> Result<Option<u64>> {
    let Some(place) = device.partition()? else { return Ok(None) };
    let node = device::node(&place.disk);
    let sector = device::sector_size(&place.disk)?.max(512);
    let layout = gpt::Disk { sector, sectors: device::size(&place.disk)? / sector };

    let mut head = vec![0; gpt::HEAD];
    let reader = File::open(&node).on("open", &node)?;
    reader.read_exact_at(&mut head, 0).on("read", &node)?;
    let Some(growth) = gpt::grow(layout, &head, place.number)? else { return Ok(None) };

    let disk = OpenOptions::new().write(true).open(&node).on("open", &node)?;
    for write in &growth.writes {
        disk.write_all_at(&write.bytes, write.offset).on("write", &node)?;
        disk.sync_all().on("write", &node)?;
    }
    ioctl::resize_partition(&disk, place.number, growth.start, growth.length)
        .on("resize a partition of", &node)?;
    Ok(Some(growth.length))
}

/// Grows the ext4 filesystem of `device`, mounted at `mounted`, to the device's end. Returns its
/// new length in bytes; nothing when there was nothing to do.
pub(crate) fn filesystem(device: &Device, mounted: &Path) -> Result<Option<u64>> {
    let Some(ext4) = Ext4::read(&device.head) else { return Ok(None) };
    let Some(blocks) = ext4.larger_on(device.size()?) else { return Ok(None) };
    let root = File::open(mounted).on("open", mounted)?;
    rustix::fs::ext4_ioc_resize_fs(&root, blocks).on("resize", mounted)?;
    Ok(Some(blocks * ext4.block_size))
}
