//! A real machine: where init and the base role have put things.
//!
//! ```text
//! /run/heirloom/generation   the digest that was booted
//! /run/heirloom/data         the data partition: imgs, state
//! /run/heirloom/memory       the memory that took all writes to the root since the boot
//! /run/heirloom/boot         the boot partition, while a command works on it
//! /run/heirloom/boot-2       that of the other disk of a mirror
//! /run/heirloom/lock         held by who changes something
//! /run/heirloom/receiving    held while a generation comes
//! /run/heirloom/health.json  what the health check last said
//! /run/heirloom/filesystem.json  what init found wrong with the data partition, if anything
//! /run/heirloom/boot-check   what was found wrong with the boot partition, a line each
//! /var/lib/heirloom          the agent's state
//! ```

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use boot::mirrored::Compare;
use boot::{BootControl, BootPartition, Mirrored, Mounted, Partition, Syslinux, SystemdBoot};
use generation::cmdline::{Boot, Data};
use generation::{Chain, Layout};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::lock::{Lock, PATIENCE};
use crate::server::Opened;
use crate::trials::Trials;
use crate::{Error, Result, Running, Server, disks, fat};

/// Where init leaves what the agent needs.
pub const RUN: &str = "/run/heirloom";
/// The data partition.
pub const DATA: &str = "/run/heirloom/data";
/// The memory that has what was written to the root.
pub const MEMORY: &str = "/run/heirloom/memory";
/// What the health check last said.
pub const HEALTH: &str = "/run/heirloom/health.json";
/// What was found wrong with the boot partition at this boot, a line each.
pub const BOOT_CHECK: &str = "/run/heirloom/boot-check";
/// The agent's state.
pub const STATE: &str = "/var/lib/heirloom";

const BOOT: &str = "/run/heirloom/boot";
const BOOT_2: &str = "/run/heirloom/boot-2";
const LOCK: &str = "/run/heirloom/lock";
const RECEIVING: &str = "/run/heirloom/receiving";
/// How long a transfer waits for another: longer than one whose connection is gone stays.
const LONGER: Duration = Duration::from_secs(90);
/// systemd-boot's folder, syslinux's file: what shows that the disk has them.
const LOADER: &str = "loader";

/// The server, and the right to change it. Its boot partition is mounted meanwhile.
pub struct Machine {
    /// The server.
    pub server: Server<Mirrored<Mounted>>,
    // In this order: unmounted, then unlocked.
    _mounts: Vec<BootMount>,
    _lock: Lock,
}

/// What the kernel was told to boot.
pub fn booted() -> Result<Boot> {
    let path = "/proc/cmdline";
    let cmdline = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let elsewhere = |error: generation::Error| Error::Elsewhere(format!("no generation: {error}"));
    Boot::parse(&cmdline).map_err(elsewhere)
}

/// The generations of this machine.
pub fn layout() -> Result<Layout> {
    Ok(Layout::open(Path::new(DATA).join("imgs"))?)
}

/// What became of this machine's trials.
pub fn trials() -> Result<Trials> {
    booted().map(|_| Trials::in_directory(Path::new(STATE)))
}

/// A text that is another at each boot (random(4)).
pub fn boot_id() -> Result<String> {
    random("/proc/sys/kernel/random/boot_id")
}

/// A text that nobody can guess (random(4)).
pub fn token() -> Result<String> {
    random("/proc/sys/kernel/random/uuid")
}

fn random(path: &str) -> Result<String> {
    let id = fs::read_to_string(path).map_err(Error::io("read", path))?;
    Ok(id.trim().to_owned())
}

/// The time since the kernel started.
pub fn uptime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::from_secs(now.tv_sec.try_into().unwrap_or(0))
}

impl Machine {
    /// Waits until no other command works, and mounts the boot partition.
    ///
    /// # Errors
    /// A live medium, which has none; a machine that was not started by Heirloom.
    pub fn open() -> Result<Self> {
        Ok(Self::open_in_step(Compare::Names)?.0)
    }

    /// Opens it with both boot partitions of a mirror in step, and says what is wrong with the
    /// second. [`Compare::Bytes`] is for the first time after a boot: then the bootloader may
    /// have changed one of them.
    fn open_in_step(compare: Compare) -> Result<(Self, Vec<String>)> {
        let boot = on_disk()?;
        let lock = Lock::take(Path::new(LOCK), PATIENCE, Error::Busy)?;
        let disks = disks::found()?.disks;
        let (first, more) = disks.split_first().ok_or_else(disks::none)?;
        let mut notes = Vec::new();
        let mut mounts = vec![BootMount::new(&first.boot, BOOT)?];
        // Where a disk of a mirror cannot be read, the other has to do.
        let second = more.first().and_then(|disk| match BootMount::new(&disk.boot, BOOT_2) {
            Ok(mount) => Some((disk, mount)),
            Err(error) => {
                notes.push(Chain(&error).to_string());
                None
            }
        });
        let (mut counts, mut follows) = (BOOT, None);
        if let Some((disk, mount)) = second {
            mounts.push(mount);
            follows = Some(BOOT_2);
            // What is armed on one only was armed on both, and a bootloader has taken the mark.
            let armed = |at: &str| Ok::<_, Error>(control_of(Mounted::at(at)).read()?.armed);
            let taken = compare == Compare::Bytes && first.in_sync && disk.in_sync;
            if taken && armed(BOOT)?.is_some() && armed(BOOT_2)?.is_none() {
                (counts, follows) = (BOOT_2, Some(BOOT));
            }
        }
        let mut both = Mirrored::new(Mounted::at(counts), follows.map(Mounted::at));
        both.bring_in_step(compare)?;
        notes.extend(both.left_out().map(|error| Chain(error).to_string()));
        let partition = boot_partition(both, counts);
        let running = Running { generation: boot.generation, trial: boot.trial, data: boot.data };
        let server = Server::new(layout()?, partition, Path::new(STATE), running);
        Ok((Self { server, _mounts: mounts, _lock: lock }, notes))
    }
}

/// Checks the boot partition, does what is safe to do about it, and leaves what there is to say for
/// `status`; it is said by `say` as well. Nothing waits for it to be well: a bootloader that reads
/// less than this checks has started the server.
pub fn check_boot(say: &dyn Fn(&str)) {
    let lines = examine_boot().unwrap_or_else(|error| vec![Chain(&error).to_string()]);
    let lines: Vec<String> =
        lines.iter().map(|line| format!("the boot partition: {line}")).collect();
    lines.iter().for_each(|line| say(line));
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    if let Err(error) = fs::write(BOOT_CHECK, text) {
        say(&format!("that cannot be kept in {BOOT_CHECK}: {error}"));
    }
}

fn examine_boot() -> Result<Vec<String>> {
    if let Data::Iso(_) = booted()?.data {
        return Ok(Vec::new());
    }
    let lock = Lock::take(Path::new(LOCK), PATIENCE, Error::Busy)?;
    // What a killed command has left mounted.
    for place in [BOOT, BOOT_2] {
        let _ = unmount(place, UnmountFlags::DETACH);
    }
    let disks = disks::found()?.disks;
    let mut lines = Vec::new();
    for disk in &disks {
        let of = if disks.len() > 1 { format!("{}: ", disk.name) } else { String::new() };
        let found = examine(&disk.boot).unwrap_or_else(|error| vec![Chain(&error).to_string()]);
        lines.extend(found.iter().map(|line| format!("{of}{line}")));
    }
    drop(lock);
    if disks.len() > 1 {
        lines.extend(Machine::open_in_step(Compare::Bytes)?.1);
    }
    Ok(lines)
}

fn examine(node: &Path) -> Result<Vec<String>> {
    let device = fs::File::options().read(true).write(true).open(node);
    let device = device.map_err(Error::io("open", node))?;
    let found = fat::check(&device).map_err(Error::io("read", node))?;
    let mut lines = fat::repair(&device, &found).map_err(Error::io("write", node))?;
    lines.extend(found.problems);
    if found.unused > 0 {
        lines.push(format!("{} of its clusters belong to nothing", found.unused));
    }
    Ok(lines)
}

/// The right to change the server's disks. No boot partition is mounted meanwhile.
pub(crate) struct Quiet {
    _lock: Lock,
}

impl Quiet {
    /// Waits until no other command works.
    ///
    /// # Errors
    /// As [`Machine::open`].
    pub(crate) fn begin() -> Result<Self> {
        on_disk()?;
        let lock = Lock::take(Path::new(LOCK), PATIENCE, Error::Busy)?;
        for place in [BOOT, BOOT_2] {
            let _ = unmount(place, UnmountFlags::DETACH);
        }
        Ok(Self { _lock: lock })
    }
}

impl Opened for Machine {
    type Partition = Mirrored<Mounted>;

    fn server(&mut self) -> &mut Server<Mirrored<Mounted>> {
        &mut self.server
    }
}

/// What the kernel was told to boot, from a disk that can change.
fn on_disk() -> Result<Boot> {
    let boot = booted()?;
    match boot.data {
        Data::Ext4(_) => Ok(boot),
        Data::Iso(_) => {
            let why = "this is a live medium: it has one generation and keeps nothing";
            Err(Error::Elsewhere(why.into()))
        }
    }
}

/// The right to bring a generation here, or to remove what nobody needs. A transfer holds it as
/// long as it takes, and nobody else waits for it: what a server does about its trials must not
/// hang on somebody's slow line.
pub struct Receiving {
    _lock: Lock,
}

impl Receiving {
    /// Waits until no generation is on its way.
    ///
    /// # Errors
    /// As [`Machine::open`]; [`Error::Receiving`].
    pub fn begin() -> Result<Self> {
        on_disk()?;
        Ok(Self { _lock: Lock::take(Path::new(RECEIVING), LONGER, Error::Receiving)? })
    }
}

/// The bootloader of a single boot partition.
fn control_of(partition: Mounted) -> BootPartition<Mounted> {
    let root = partition.root().to_owned();
    boot_partition(partition, root)
}

/// The bootloader that has started this machine, and the others on its disk, as the boot
/// partition that is mounted at `root` has them.
fn boot_partition<P: Partition>(partition: P, root: impl AsRef<Path>) -> BootPartition<P> {
    let has = |name: &str| root.as_ref().join(name).exists();
    let uefi = Path::new("/sys/firmware/efi").exists();
    let mut controls: Vec<Box<dyn BootControl>> = Vec::new();
    if has(LOADER) {
        controls.push(Box::new(SystemdBoot));
    }
    if has(boot::syslinux::LDLINUX) {
        // The first is in charge.
        let place = if uefi { controls.len() } else { 0 };
        controls.insert(place, Box::new(Syslinux));
    }
    let mut controls = controls.into_iter();
    let control = controls.next().unwrap_or_else(|| Box::new(SystemdBoot));
    BootPartition::new(partition, control, controls.collect())
}

/// A boot partition, mounted as long as this lives.
struct BootMount {
    place: &'static str,
}

impl BootMount {
    fn new(device: &Path, place: &'static str) -> Result<Self> {
        fs::create_dir_all(place).map_err(Error::io("make", place))?;
        // What a killed command has left mounted.
        let _ = unmount(place, UnmountFlags::DETACH);
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(device, place, "vfat", flags, c"umask=0077,shortname=mixed")
            .map_err(io::Error::from)
            .map_err(Error::io("mount", device))?;
        Ok(Self { place })
    }
}

impl Drop for BootMount {
    fn drop(&mut self) {
        // Everything was synced when it was written; one that stays is unmounted by the next.
        let _ = unmount(self.place, UnmountFlags::empty());
    }
}
