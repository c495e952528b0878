//! The partition table: GPT, with a protective MBR that carries syslinux's boot code
//! (UEFI specification 2.10, chapter 5).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use gpt::disk::LogicalBlockSize;
use gpt::partition::Partition;
use gpt::partition_types::{EFI, LINUX_FS, Type};
use gpt::{GptConfig, mbr::ProtectiveMBR};
use uuid::Uuid;

use super::plan::Plan;
use crate::identity::Identity;
use crate::{Error, Result};

/// Bytes of a sector.
pub(super) const SECTOR: u64 = 512;

/// "Legacy BIOS bootable", by which gptmbr.bin finds its partition.
const LEGACY_BOOT: u64 = 1 << 2;

/// Where the MBR has its first entry, and that entry its boot indicator. Some old BIOSes start no
/// disk without an active partition; UEFI has to ignore it (UEFI specification 2.10, table 5.4).
const FIRST_ENTRY: u64 = 446;
const ACTIVE: u8 = 0x80;

/// Writes the table of `plan` into the image `path`, and `boot_code` into its first sector.
pub(super) fn write(
    path: &Path,
    plan: &Plan,
    identity: &Identity,
    boot_code: [u8; 440],
) -> Result<()> {
    let wrong = |source| Error::Partitions { path: path.to_owned(), source };
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(wrong)?;
    write_to(file, plan, identity, boot_code).map_err(wrong)
}

fn write_to(
    mut file: File,
    plan: &Plan,
    identity: &Identity,
    boot_code: [u8; 440],
) -> io::Result<()> {
    let sectors = u32::try_from(plan.size() / SECTOR - 1).unwrap_or(u32::MAX);
    let mut mbr = ProtectiveMBR::with_lb_size(sectors);
    mbr.set_bootcode(boot_code);
    mbr.overwrite_lba0(&mut file).map_err(io::Error::other)?;
    file.write_all_at(&[ACTIVE], FIRST_ENTRY)?;

    let mut table = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(file, Some(identity.disk()))
        .map_err(io::Error::other)?;
    let boot = partition("boot", EFI, identity.boot_partition(), plan.boot(), LEGACY_BOOT);
    let data = partition("data", LINUX_FS, identity.data_partition(), plan.data(), 0);
    table.update_partitions([(1, boot), (2, data)].into()).map_err(io::Error::other)?;
    table.write().map_err(io::Error::other)?;
    Ok(())
}

fn partition(
    name: &str,
    kind: Type,
    guid: Uuid,
    place: std::ops::Range<u64>,
    flags: u64,
) -> Partition {
    Partition {
        part_type_guid: kind,
        part_guid: guid,
        first_lba: place.start / SECTOR,
        last_lba: place.end / SECTOR - 1,
        flags,
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_planned_one_every_time() {
        let plan = Plan::new(100 << 20);
        let identity = Identity::new("mailserver");
        let [one, two] = [(), ()].map(|()| {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(plan.size()).unwrap();
            write(file.path(), &plan, &identity, [0x90; 440]).unwrap();
            file
        });
        for from in [0, plan.data().end] {
            let [one, two] = [&one, &two].map(|file| {
                let mut bytes = vec![0; 1 << 20];
                file.as_file().read_exact_at(&mut bytes, from).unwrap();
                bytes
            });
            assert_eq!(one, two);
        }

        let table = GptConfig::new().open(one.path()).unwrap();
        assert_eq!(*table.guid(), identity.disk());
        assert!(table.primary_header().is_ok() && table.backup_header().is_ok());
        let boot = &table.partitions()[&1];
        assert_eq!((boot.first_lba, boot.last_lba + 1), (32768, (16 + 256) * 2048));
        assert_eq!((&boot.part_type_guid, boot.flags), (&EFI, 4));
        let data = &table.partitions()[&2];
        assert_eq!((data.first_lba, data.part_guid), (272 * 2048, identity.data_partition()));

        let mut file = File::open(one.path()).unwrap();
        let mbr = ProtectiveMBR::from_disk(&mut file, LogicalBlockSize::Lb512).unwrap();
        assert_eq!(mbr.bootcode(), &[0x90; 440]);
        let protective = mbr.partition(0).unwrap();
        assert_eq!((protective.os_type, protective.boot_indicator), (0xee, ACTIVE));
    }
}
