//! Damage to the data filesystem, done to the disk of a machine that is switched off.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use testbed::{Program, ToolRoot};
use transfer::report::DiskCheck;

use crate::ground::Ground;

/// Where the data partition begins on every disk, in bytes (docs/reference/disk.md).
const DATA: u64 = 272 << 20;

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
