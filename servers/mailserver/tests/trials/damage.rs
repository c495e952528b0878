//! Damage to the data filesystem, done to the disk of a machine that is switched off.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use testbed::{Program, ToolRoot};
use transfer::report::DiskCheck;

use crate::ground::Ground;

/// Where the data partition begins on every disk, in bytes (docs/reference/disk.md).
const DATA: u64 = 272 << 20;

/// The superblock's length, and where it has the features that a filesystem can be read without
/// (Documentation/filesystems/ext4/super.rst).
const SUPERBLOCK: usize = 1024;
const READ_ONLY_FEATURES: usize = 0x64;
/// A feature that there is not.
const NOBODYS: u32 = 1 << 29;

/// A disk image, seen by debugfs.
struct Disk<'a> {
    tools: &'a ToolRoot,
    path: &'a Path,
}

impl Disk<'_> {
    /// Runs a command of debugfs; what it says.
    fn debugfs(&self, options: &[&str], command: &str) -> Result<String> {
        let device = format!("/work/disk?offset={DATA}");
        let debugfs = self.tools.command(Program::Debugfs).args(options).args(["-R", command]);
        Ok(debugfs.arg(device).bind_rw(self.path, "/work/disk").run()?.text())
    }

    fn change(&self, command: &str) -> Result<()> {
        self.debugfs(&["-w"], command).map(drop)
    }
}

/// The superblock says that there were errors, and nothing is wrong.
pub(crate) fn error_flag(ground: &mut Ground<'_>) -> Result<String> {
    let check = damaged(ground, |disk| disk.change("ssv state 2"))?;
    Ok(format!("checked in {} s: {}", check.seconds, check.outcome))
}

/// A block bitmap and an inode are damaged, and the superblock says nothing of it.
pub(crate) fn damaged_filesystem(ground: &mut Ground<'_>) -> Result<String> {
    ground.run("echo kept >/var/mail/kept && sync")?;
    let check = damaged(ground, |disk| {
        let groups = disk.debugfs(&[], "stats")?;
        let at = groups.split("block bitmap at ").nth(1).context("there are no groups")?;
        let digits = at.chars().take_while(char::is_ascii_digit).collect::<String>();
        disk.change("clri /state/postfix/public")?;
        // Last: with a damaged bitmap debugfs opens it no more.
        disk.change(&format!("zap_block -p 0x5a {digits}"))
    })?;
    let lost = check.lines.join("\n");
    ensure!(lost.contains("node"), "it does not say what was lost:\n{lost}");
    ensure!(ground.run("cat /var/mail/kept")? == "kept", "more was lost");
    Ok(format!("{} in {} s, {} lines", check.outcome, check.seconds, check.lines.len()))
}

/// The filesystem has a feature that neither e2fsck nor the kernel knows: it is not repaired, and can
/// only be read. The server comes up, and says so.
pub(crate) fn beyond_repair(ground: &mut Ground<'_>) -> Result<String> {
    let before = ground.booted()?;
    let mut whole = [0; SUPERBLOCK];
    ground.with_disk(|tools, path| {
        File::open(path)?.read_exact_at(&mut whole, DATA + 1024)?;
        let mut features = [0; 4];
        features.copy_from_slice(&whole[READ_ONLY_FEATURES..READ_ONLY_FEATURES + 4]);
        let features = u32::from_le_bytes(features) | NOBODYS;
        Disk { tools, path }.change(&format!("ssv feature_ro_compat {features}"))
    })?;
    ground
        .wait_for("server without its disk", |ground| Ok(!ground.status()?.disk.lost.is_empty()))?;
    let disk = ground.status()?.disk;
    let lost = disk.lost.join("\n");
    ensure!(lost.contains("the data filesystem cannot be written"), "{lost}");
    let said = ground.run("heirloom status")?;
    ensure!(said.contains("not everything could be repaired"), "{said}");
    // What the disk has is there, and what is written is taken.
    ground.has_mail()?;
    ground.with_disk(|_, path| {
        Ok(File::options().write(true).open(path)?.write_all_at(&whole, DATA + 1024)?)
    })?;
    ground.wait_for("server with its disk", |ground| Ok(ground.status()?.disk.lost.is_empty()))?;
    ground.is_back_on(before)?;
    Ok("up, with its state in memory, and says so".into())
}

/// Switches the server off, lets `damage` do its work, and switches it on again: it is back on its
/// generation and says that its disk was checked.
fn damaged(
    ground: &mut Ground<'_>,
    damage: impl FnOnce(&Disk<'_>) -> Result<()>,
) -> Result<DiskCheck> {
    let before = ground.booted()?;
    ground.with_disk(|tools, path| damage(&Disk { tools, path }))?;
    ground.wait_for("word of the check", |ground| match ground.status() {
        Ok(status) => Ok(status.disk.check.is_some_and(|check| check.now)),
        // The kernel panics when it meets an error, and the next boot checks.
        Err(_) => Ok(false),
    })?;
    let disk = ground.status()?.disk;
    ensure!(disk.lost.is_empty(), "it goes without: {disk:?}");
    let said = ground.run("heirloom status")?;
    ensure!(said.contains("checked     the data filesystem at this boot"), "{said}");
    let check = disk.check.context("it was not checked")?;
    ensure!(check.now, "an earlier boot has checked it: {check:?}");
    ground.is_back_on(before)?;
    Ok(check)
}
