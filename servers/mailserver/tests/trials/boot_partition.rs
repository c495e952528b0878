//! Damage to the boot partition, done to the disk of a machine that is switched off, and what
//! fsck.fat says of it before and after.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Result, ensure};
use testbed::{Program, ToolRoot};

use crate::ground::Ground;

/// Where the boot partition is on every disk, in bytes (docs/reference/disk.md).
const START: u64 = 16 << 20;
const LENGTH: usize = 256 << 20;

/// In the boot sector of a FAT32: reserved sectors, length of a FAT in sectors, state (Microsoft, FAT:
/// General Overview of On-Disk Format, 1.03).
const RESERVED: u64 = 14;
const FAT_LENGTH: u64 = 36;
const STATE: u64 = 65;
const SECTOR: u64 = 512;

/// It is marked as not unmounted, and the second copy of its FAT has lost a sector: the server comes
/// up, repairs both, says so, and fsck.fat has nothing to say any more.
pub(crate) fn damaged_boot_partition(ground: &mut Ground<'_>) -> Result<String> {
    let before = ground.booted()?;
    let mut verdicts = Vec::new();
    ground.with_disk(|tools, disk| {
        verdicts.push(fsck(tools, disk)?);
        damage(disk)?;
        verdicts.push(fsck(tools, disk)?);
        Ok(())
    })?;
    is_up(ground, before)?;
    let said = ground.run("heirloom status")?;
    for words in ["the second copy of its FAT was made like the first", "it was not unmounted"] {
        ensure!(said.contains(&format!("the boot partition: {words}")), "{said}");
    }
    ground.with_disk(|tools, disk| {
        verdicts.push(fsck(tools, disk)?);
        Ok(())
    })?;
    is_up(ground, before)?;
    let said = ground.run("heirloom status")?;
    ensure!(!said.contains("the boot partition: "), "said again:\n{said}");
    let sound: Vec<bool> = verdicts.iter().map(|verdict| verdict.is_none()).collect();
    ensure!(sound == [true, false, true], "fsck.fat is of another opinion: {verdicts:#?}");
    Ok("repaired, and says so".into())
}

/// It has been switched on: generation `number` comes up.
fn is_up(ground: &mut Ground<'_>, number: u64) -> Result<()> {
    ground.wait_for("server", |ground| Ok(ground.status().is_ok()))?;
    ground.is_back_on(number)
}

/// What fsck.fat finds wrong with the boot partition of a disk.
fn fsck(tools: &ToolRoot, disk: &Path) -> Result<Option<String>> {
    let mut partition = vec![0; LENGTH];
    File::open(disk)?.read_exact_at(&mut partition, START)?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), partition)?;
    let fsck = tools.command(Program::FsckFat).args(["-n", "/work/fat"]);
    let output = fsck.bind_ro(file.path(), "/work/fat").accept(1).run()?;
    Ok((output.code != 0).then(|| output.text()))
}

fn damage(disk: &Path) -> Result<()> {
    let disk = File::options().read(true).write(true).open(disk)?;
    let mut sector = [0; SECTOR as usize];
    disk.read_exact_at(&mut sector, START)?;
    let word =
        |at: u64| u64::from(u16::from_le_bytes([sector[at as usize], sector[at as usize + 1]]));
    let second = START + (word(RESERVED) + word(FAT_LENGTH)) * SECTOR;
    disk.write_all_at(&[0; SECTOR as usize], second)?;
    disk.write_all_at(&[sector[STATE as usize] | 1], START + STATE)?;
    Ok(())
}
