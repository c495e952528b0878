//! A real machine: where init and the base role have put things.
//!
//! ```text
//! /run/heirloom/generation   the digest that was booted
//! /run/heirloom/data         the data partition: imgs, state
//! /run/heirloom/memory       the memory that took all writes to the root since the boot
//! /run/heirloom/boot         the boot partition, while a command works on it
//! /run/heirloom/lock         held by who changes something
//! /run/heirloom/receiving    held while a generation comes
//! /run/heirloom/health.json  what the health check last said
//! /run/heirloom/filesystem.json  what init found wrong with the data partition, if anything
//! /run/heirloom/boot-check   what was found wrong with the boot partition, a line each
//! /var/lib/heirloom          the agent's state
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use boot::{BootControl, BootPartition, Mounted, Syslinux, SystemdBoot};
use generation::cmdline::{Boot, Data};
use generation::{Chain, Layout};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::lock::Lock;
use crate::server::Opened;
use crate::trials::Trials;
use crate::{Error, Result, Running, Server, fat, mounts};

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
const LOCK: &str = "/run/heirloom/lock";
const RECEIVING: &str = "/run/heirloom/receiving";
/// systemd-boot's folder, syslinux's file: what shows that the disk has them.
const LOADER: &str = "loader";

/// The server, and the right to change it. Its boot partition is mounted meanwhile.
pub struct Machine {
    /// The server.
    pub server: Server<Mounted>,
    // In this order: unmounted, then unlocked.
    _mount: BootMount,
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
    let path = "/proc/sys/kernel/random/boot_id";
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
        let boot = on_disk()?;
        let lock = Lock::take(Path::new(LOCK), Error::Busy)?;
        let mount = BootMount::new(&boot_device()?)?;
        let partition = boot_partition();
        let running = Running { generation: boot.generation, trial: boot.trial, data: boot.data };
        let server = Server::new(layout()?, partition, Path::new(STATE), running);
        Ok(Self { server, _mount: mount, _lock: lock })
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
    let _lock = Lock::take(Path::new(LOCK), Error::Busy)?;
    // What a killed command has left mounted.
    let _ = unmount(BOOT, UnmountFlags::DETACH);
    let node = boot_device()?;
    let device = fs::File::options().read(true).write(true).open(&node);
    let device = device.map_err(Error::io("open", &node))?;
    let found = fat::check(&device).map_err(Error::io("read", &node))?;
    let mut lines = fat::repair(&device, &found).map_err(Error::io("write", &node))?;
    lines.extend(found.problems);
    if found.unused > 0 {
        lines.push(format!("{} of its clusters belong to nothing", found.unused));
    }
    Ok(lines)
}

impl Opened for Machine {
    type Partition = Mounted;

    fn server(&mut self) -> &mut Server<Mounted> {
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
        Ok(Self { _lock: Lock::take(Path::new(RECEIVING), Error::Receiving)? })
    }
}

/// The bootloader that has started this machine, and the others on its disk.
fn boot_partition() -> BootPartition<Mounted> {
    let has = |name: &str| Path::new(BOOT).join(name).exists();
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
    BootPartition::new(Mounted::at(BOOT), control, controls.collect())
}

/// The first partition of the disk that the data partition is on.
fn boot_device() -> Result<PathBuf> {
    let path = "/proc/self/mountinfo";
    let mountinfo = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let numbers = mounts::device_at(&mountinfo, DATA);
    let numbers =
        numbers.ok_or_else(|| Error::Elsewhere(format!("nothing is mounted at {DATA}")))?;
    let data = PathBuf::from(format!("/sys/dev/block/{numbers}"));
    let data = fs::canonicalize(&data).map_err(Error::io("resolve", &data))?;
    let disk = data.parent().unwrap_or(Path::new("/"));
    for entry in fs::read_dir(disk).map_err(Error::io("list", disk))? {
        let entry = entry.map_err(Error::io("list", disk))?;
        let number = fs::read_to_string(entry.path().join("partition")).unwrap_or_default();
        if number.trim() == "1" {
            // A slash in a name stands in sysfs as an exclamation mark.
            let name = entry.file_name().to_string_lossy().replace('!', "/");
            return Ok(Path::new("/dev").join(name));
        }
    }
    Err(Error::Elsewhere(format!("{} has no first partition", disk.display())))
}

/// The boot partition, mounted as long as this lives.
struct BootMount;

impl BootMount {
    fn new(device: &Path) -> Result<Self> {
        fs::create_dir_all(BOOT).map_err(Error::io("make", BOOT))?;
        // What a killed command has left mounted.
        let _ = unmount(BOOT, UnmountFlags::DETACH);
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(device, BOOT, "vfat", flags, c"umask=0077,shortname=mixed")
            .map_err(io::Error::from)
            .map_err(Error::io("mount", device))?;
        Ok(Self)
    }
}

impl Drop for BootMount {
    fn drop(&mut self) {
        // Everything was synced when it was written; one that stays is unmounted by the next.
        let _ = unmount(BOOT, UnmountFlags::empty());
    }
}
