//! A filesystem layer: its blob through a loop device and dm-verity, mounted read-only.
//!
//! No byte of a layer is used unchecked: the manifest, whose digest the boot entry gives, has the
//! root hash, and the kernel compares each block with it when the block is read. What does not
//! match is an I/O error to whoever reads; on trial it is a panic, and the bootloader falls back.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use generation::Layer;
use rustix::io::Errno;
use rustix::mount::MountFlags;

use crate::error::{Context, Result};
use crate::ioctl;

const LOOP_CONTROL: &str = "/dev/loop-control";
const MAPPER_CONTROL: &str = "/dev/mapper/control";

/// The device mapper counts in sectors of so many bytes.
const SECTOR: u64 = 512;

/// Mounts the layer whose blob is the file `blob` at `target`. Loop and mapped device live as long
/// as the mount does. `trial` says whether the generation is on trial.
pub(crate) fn mount(layer: &Layer, blob: &Path, target: &Path, trial: bool) -> Result<()> {
    let (looped, _held) = attach(blob)?;
    let mapped = Mapped::open(layer, &looped, on_corruption(trial))?;
    let flags = MountFlags::RDONLY | MountFlags::NODEV;
    rustix::mount::mount(&mapped.node, target, layer.format.name(), flags, None)
        .on("mount", &mapped.node)
}

/// What dm-verity does when a block does not match, beyond the I/O error
/// (Documentation/admin-guide/device-mapper/verity.rst). A confirmed generation must not reboot for
/// it: the next boot would read the same block.
fn on_corruption(trial: bool) -> &'static [&'static str] {
    if trial { &["panic_on_corruption"] } else { &[] }
}

/// Lets a loop device show the file `blob`; it goes away with its last user, so the open file is
/// to be held until there is another.
fn attach(blob: &Path) -> Result<(PathBuf, File)> {
    let backing = File::open(blob).on("open", blob)?;
    let control = open_control(LOOP_CONTROL)?;
    loop {
        let number = ioctl::free_loop(&control).on("get a loop device from", LOOP_CONTROL)?;
        let node = PathBuf::from(format!("/dev/loop{number}"));
        let device = File::open(&node).on("open", &node)?;
        match ioctl::configure_loop(&device, backing.as_fd()) {
            Ok(()) => return Ok((node, device)),
            // Somebody else took it meanwhile.
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {}
            Err(error) => return Err(error).on("set up", &node),
        }
    }
}

/// A verity device. Dropped, it is removed as soon as nothing uses it any more.
struct Mapped {
    control: File,
    name: String,
    node: PathBuf,
}

impl Mapped {
    fn open(layer: &Layer, looped: &Path, options: &[&str]) -> Result<Self> {
        let control = open_control(MAPPER_CONTROL)?;
        let name = format!("heirloom-{}", layer.digest.short());
        let minor = ioctl::dm_create(&control, &name).on("make the mapped device", &name)?;
        let node = PathBuf::from(format!("/dev/dm-{minor}"));
        let mapped = Self { control, name, node };
        let (control, name) = (&mapped.control, &mapped.name);
        let sectors = layer.verity.hash_offset() / SECTOR;
        let table = layer.verity.table(&looped.to_string_lossy(), options);
        ioctl::dm_load(control, name, "verity", sectors, &table).on("load the table of", name)?;
        ioctl::dm_resume(control, name).on("start", name)?;
        Ok(mapped)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // A device that stays is in nobody's way but a second try's, which then says so.
        let _ = ioctl::dm_remove(&self.control, &self.name);
    }
}

fn open_control(path: &str) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(path).on("open", path)
}
