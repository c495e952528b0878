//! The data filesystem: checked where it asks for it, mounted, grown to its disk.
//!
//! Whatever is wrong with it, what can be read of it is enough to boot from: the layers are checked
//! by their hashes, and state goes into memory where the disk cannot keep it. A generation on trial
//! is told so too; it is not healthy then, and the server falls back.

use std::ffi::CStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use generation::cmdline::{Boot, Data};
use generation::filesystem::{Check, Outcome};
use generation::{Chain, Filesystem, Layout};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::device::{self, Device};
use crate::error::{Context, Result};
use crate::log::Log;
use crate::modules::Drivers;
use crate::root::{DATA, MEMORY, make_directory};
use crate::superblock::Ext4;
use crate::watchdog::Watchdog;
use crate::{fsck, grow};

/// Where a disk is looked at.
const PROBE: &str = "/mnt";

/// Waits for devices that may be the medium of `boot`, until one has the generation or all drivers are
/// loaded.
pub(crate) fn find(
    boot: &Boot,
    drivers: &mut Drivers<'_>,
    log: &Log,
    watchdog: &mut Watchdog,
) -> Result<Vec<Device>> {
    loop {
        let found = device::find(&boot.data, drivers, log, watchdog)?;
        let has = |device: &Device| has_generation(device, boot).unwrap_or(false);
        if !drivers.has_more() || found.iter().any(has) || !drivers.load_next(log, watchdog) {
            return Ok(found);
        }
    }
}

/// Which of `devices`, all with the name that the boot entry gives, is used: the first that has the
/// generation. An older installation on another disk, or a copy of this one, may have the name too.
/// The first of all where none has it: what is wrong is said when it is used.
pub(crate) fn choose(mut devices: Vec<Device>, boot: &Boot, log: &Log) -> Device {
    let at = pick(&devices, |device| {
        has_generation(device, boot).unwrap_or_else(|error| {
            log.warning(format_args!("{} is not used: {}", device.name, Chain(&error)));
            false
        })
    });
    if devices.len() > 1 {
        let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
        let (names, used) = (names.join(" and "), &devices[at].name);
        log.warning(format_args!("{names} have the same name {}: {used} is used", boot.data));
    }
    devices.swap_remove(at)
}

/// The place of the first of several devices that `has` it. A single one is not asked.
fn pick(devices: &[Device], mut has: impl FnMut(&Device) -> bool) -> usize {
    match devices.len() {
        0 | 1 => 0,
        _ => devices.iter().position(&mut has).unwrap_or(0),
    }
}

/// Whether the disk, which is looked at without a change, has the generation's manifest.
fn has_generation(device: &Device, boot: &Boot) -> Result<bool> {
    let target = make_directory(Path::new(PROBE))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
    let node = device.path();
    let (format, options) = match boot.data {
        Data::Ext4(_) => ("ext4", Some(c"noload,errors=continue")),
        Data::Iso(_) => ("iso9660", None),
    };
    mount(&node, &target, format, flags, options).on("mount", &node)?;
    let has = Layout::open(target.join("imgs"))
        .and_then(|layout| layout.manifest(boot.generation))
        .is_ok();
    unmount(&target, UnmountFlags::DETACH).on("unmount", &target)?;
    Ok(has)
}

/// The kernel module that mounts the medium `data`.
pub(crate) fn module(data: &Data) -> &'static str {
    match data {
        Data::Ext4(_) => "ext4",
        Data::Iso(_) => "isofs",
    }
}

/// Mounts the medium `data` at [`DATA`]; what there is to say of it.
pub(crate) fn mount_data(
    data: &Data,
    device: &Device,
    log: &Log,
    watchdog: &mut Watchdog,
) -> Result<Filesystem> {
    let target = make_directory(Path::new(DATA))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let node = device.path();
    if let Data::Iso(_) = data {
        // Root's alone, as the data partition is: the layers hold files that are secret.
        let options = c"overriderockperm,mode=0400,dmode=0500";
        let flags = flags | MountFlags::RDONLY;
        mount(&node, &target, "iso9660", flags, options).on("mount", &node)?;
        return Ok(Filesystem::default());
    }
    grown(log, &device.name, grow::partition(device));
    let mut found = Filesystem::default();
    if let Some(asked) = Ext4::read(&device.head).and_then(|ext4| ext4.asks_for_check()) {
        found.check = Some(fsck::check(&node, asked, log, watchdog));
    }
    let mount = |flags, options: Option<&CStr>| {
        mount(&node, &target, "ext4", flags, options).on("mount", &node)
    };
    found.read_only = mount_writable(
        &mut found.check,
        |options| mount(flags, options),
        |asked| fsck::check(&node, asked, log, watchdog),
    );
    if let Some(why) = &found.read_only {
        log.fatal(format_args!("the data filesystem is read-only, state is in memory: {why}"));
        // Nothing is replayed, and no error in it stops what can be read.
        mount(flags | MountFlags::RDONLY, Some(c"noload,errors=continue"))?;
        return Ok(found);
    }
    if let Some(check) = &found.check {
        record(check, log);
    }
    grown(log, "the data filesystem", grow::filesystem(device, &target));
    fs::set_permissions(&target, Permissions::from_mode(0o700)).on("set the mode of", &target)?;
    Ok(found)
}

/// What the kernel does when it meets an error in a filesystem that nothing was wrong with: it
/// reboots, and the next boot checks. The superblock says `remount-ro`, after which Linux 6.12 reads
/// nothing more of it, and the layers lie on it: the server would be neither up nor down
/// (fs/ext4/super.c, `ext4_handle_error`).
const WELL: &CStr = c"errors=panic";

/// The same for one that was checked at this boot: errors that come back after a repair are no reason
/// to reboot again and again.
const CHECKED: &CStr = c"errors=continue";

/// Mounts it to be written, with a check before a second try where there was none before the
/// first; why it cannot be.
fn mount_writable(
    check: &mut Option<Check>,
    mut mount: impl FnMut(Option<&CStr>) -> Result<()>,
    examine: impl FnOnce(String) -> Check,
) -> Option<String> {
    let left = |check: &Check| match check.outcome {
        // Where there is no e2fsck, whether it can be mounted is all that can be known.
        Outcome::Clean | Outcome::Repaired | Outcome::Absent => None,
        bad => Some(format!("it was checked, and {}", fsck::words(bad))),
    };
    if let Some(check) = check {
        return left(check)
            .or_else(|| mount(Some(CHECKED)).err().map(|error| Chain(&error).to_string()));
    }
    let Err(refused) = mount(Some(WELL)) else { return None };
    let refused = format!("{}", Chain(&refused));
    let made = check.insert(examine(refused));
    left(made).or_else(|| mount(Some(CHECKED)).err().map(|error| Chain(&error).to_string()))
}

/// Leaves a check's outcome where later boots find it.
fn record(check: &Check, log: &Log) {
    if let Err(error) = check.write(&Path::new(DATA).join("imgs")) {
        log.warning(format_args!("the check is not recorded: {}", Chain(&error)));
    }
}

/// A server whose disk cannot be used to its end is still a server.
fn grown(log: &Log, what: &str, result: Result<Option<u64>>) {
    match result {
        Ok(None) => {}
        Ok(Some(length)) => log.info(format_args!("{what} grew to {} MiB", length >> 20)),
        Err(error) => log.warning(format_args!("{what} does not grow: {}", Chain(&error))),
    }
}

/// State of a disk that cannot be written: what it has is seen, what is changed is in memory.
/// Returns the directory that is used as `/state`.
pub(crate) fn state_over_memory(log: &Log) -> Result<PathBuf> {
    let here = |name: &str| make_directory(&Path::new(MEMORY).join(name));
    let (upper, work, merged) = (here("state")?, here("state-work")?, here("state-merged")?);
    let options =
        format!("lowerdir={DATA}/state,upperdir={},workdir={}", upper.display(), work.display());
    let options = std::ffi::CString::new(options).map_err(std::io::Error::from);
    let options = options.on("mount", &merged)?;
    match mount("overlay", &merged, "overlay", MountFlags::empty(), &*options) {
        Ok(()) => Ok(merged),
        Err(errno) => {
            log.warning(format_args!("state begins empty, the disk's cannot be read: {errno}"));
            Ok(upper)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn check_of(outcome: Outcome) -> Check {
        let (boot, asked, lines) = (String::new(), String::new(), Vec::new());
        Check { boot, asked, outcome, seconds: 0, lines, more: 0 }
    }

    /// A disk of which mounting fails as long as it was not checked, or always.
    fn mounted(before: Option<Outcome>, refusals: u32, examined: Outcome) -> (Option<String>, u32) {
        let (mut check, mut tries) = (before.map(check_of), 0);
        let mut checked = before.is_some();
        let mount = |options: Option<&CStr>| {
            tries += 1;
            assert_eq!(options, Some(if checked { CHECKED } else { WELL }));
            checked = true;
            let refused = Error::State { path: "/".into(), why: "damaged".into() };
            if tries > refusals { Ok(()) } else { Err(refused) }
        };
        let why = mount_writable(&mut check, mount, |_| check_of(examined));
        (why, tries)
    }

    #[test]
    fn an_older_install_on_the_first_disk_gives_way_to_the_one_that_has_the_generation() {
        let device = |name: &str| Device { name: name.into(), head: Vec::new() };
        let both = ["vda2", "vdb2"].map(device);
        assert_eq!(pick(&both, |device| device.name == "vdb2"), 1);
        // Copies of one another.
        assert_eq!(pick(&both, |_| true), 0);
        assert_eq!(pick(&both, |_| false), 0);
        assert_eq!(pick(&both[1..], |_| panic!("there is nothing to choose")), 0);
    }

    #[test]
    fn a_disk_without_trouble_is_mounted_once_and_not_checked() {
        assert_eq!(mounted(None, 0, Outcome::Failed), (None, 1));
    }

    #[test]
    fn a_disk_that_was_repaired_is_written_again() {
        assert_eq!(mounted(Some(Outcome::Repaired), 0, Outcome::Failed), (None, 1));
        assert_eq!(mounted(Some(Outcome::Clean), 0, Outcome::Failed), (None, 1));
    }

    #[test]
    fn a_disk_that_does_not_mount_is_checked_and_tried_again() {
        assert_eq!(mounted(None, 1, Outcome::Repaired), (None, 2));
        let (why, tries) = mounted(None, 9, Outcome::Repaired);
        assert_eq!((why.unwrap().as_str(), tries), ("state /: damaged", 2));
    }

    #[test]
    fn a_disk_with_errors_left_is_not_written() {
        for bad in [Outcome::Failed, Outcome::Stopped] {
            let (why, tries) = mounted(Some(bad), 0, Outcome::Clean);
            assert_eq!(
                (why.unwrap(), tries),
                (format!("it was checked, and {}", fsck::words(bad)), 0)
            );
            let (why, tries) = mounted(None, 1, bad);
            assert!(why.is_some());
            assert_eq!(tries, 1);
        }
    }
}
