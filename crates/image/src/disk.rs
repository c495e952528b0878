//! The disk image: a GPT disk that boots on BIOS and on UEFI, with the first generation.
//!
//! Both firmwares start from the same FAT32: UEFI finds systemd-boot, BIOS goes through the boot
//! code in the MBR to syslinux. The image is sparse. Blobs go from their files into the ext4 in
//! one copy, everything else is small.

mod ext4;
pub(crate) mod fat;
mod partitions;
mod plan;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;

use boot::{Editing, Entry, Syslinux, SystemdBoot};
use generation::cmdline::Data;
use sandbox::{Program, ToolRoot};

use crate::bundle::Bundle;
use crate::identity::Identity;
use crate::layer::check_clock;
use crate::place::Place;
use crate::staging::Staging;
use crate::{Error, Result};
use fat::{Bits, Fat};
use plan::Plan;

/// Counts up when the same inputs give other bytes.
pub const VERSION: u32 = 4;

/// systemd-boot for x86-64, in the root of the group Image.
pub(crate) const SYSTEMD_BOOT: &str = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";
/// Where UEFI looks on a medium that it knows nothing of.
pub(crate) const EFI_DEFAULT: &str = "EFI/BOOT/BOOTX64.EFI";
/// The number of a medium's only generation.
const FIRST: u64 = 1;
/// syslinux's boot code for GPT disks.
const BOOT_CODE: &str = "usr/lib/SYSLINUX/gptmbr.bin";

/// Makes the disk image `out` of a generation for x86-64, with `tools` the root of the group
/// Image. `epoch`, in seconds since 1970, is the time of everything on it.
pub fn build(
    tools: &ToolRoot,
    bundle: &Bundle,
    editing: Editing,
    epoch: u64,
    out: &Path,
) -> Result<()> {
    check_clock(epoch)?;
    let identity = Identity::new(&bundle.config().server);
    let plan = Plan::new(bundle.size(ext4::BLOCK));
    let image = Place::sized(out, plan.size())?;
    let (boot, data) = thread::scope(|scope| {
        let boot = scope.spawn(|| boot(tools, &image, &plan, &identity, bundle, editing, epoch));
        let data = data(tools, &image, &plan, &identity, bundle, epoch);
        (boot.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), data)
    });
    boot?;
    data?;
    partitions::write(out, &plan, &identity, boot_code(tools)?)
}

fn boot(
    tools: &ToolRoot,
    image: &Place,
    plan: &Plan,
    identity: &Identity,
    bundle: &Bundle,
    editing: Editing,
    epoch: u64,
) -> Result<()> {
    let place = plan.boot();
    let staging = Staging::beside(image.path())?;
    let data = Data::Ext4(identity.data_filesystem().to_string());
    let entry = entry(bundle, &data)?;
    let mut paths = boot_files(&staging, tools, bundle, &entry, editing)?;
    for (path, text) in Syslinux::first(&entry) {
        staging.text(&path, &text)?;
        paths.insert(path);
    }
    let size = place.end - place.start;
    check_room(&staging, &paths, size)?;
    let serial = identity.boot_serial();
    let (offset, bits) = (place.start, Bits::ThirtyTwo);
    Fat { tools, image, offset, size, bits, serial, label: "BOOT", epoch }
        .make(staging.path(), &paths)?;
    // Last: the sectors of ldlinux.sys are in its boot sector.
    let offset = offset.to_string();
    let syslinux = tools.command(Program::Syslinux);
    let syslinux = syslinux.args(["--install", "--offset", &offset, image.inside()]);
    let run = image.show(syslinux).epoch(epoch).free_sync().run();
    run.map_err(|source| Error::Tool { what: "BIOS bootloader", source }).map(|_| ())
}

/// The boot entry of a medium's only generation. It is confirmed: it has nothing to fall back to.
pub(crate) fn entry(bundle: &Bundle, data: &Data) -> Result<Entry> {
    Entry::new(FIRST, bundle.manifest(), bundle.config(), data).map_err(Error::BootEntry)
}

/// Puts what UEFI boots from into `staging`: systemd-boot, its entry, kernel and initramfs. Their
/// paths.
pub(crate) fn boot_files(
    staging: &Staging,
    tools: &ToolRoot,
    bundle: &Bundle,
    entry: &Entry,
    editing: Editing,
) -> Result<BTreeSet<String>> {
    let [linux, initrd] = [entry.kernel_path(), entry.initramfs_path()];
    staging.file(&linux, bundle.kernel())?;
    staging.file(&initrd, bundle.initramfs())?;
    staging.copy(EFI_DEFAULT, &tools.path().join(SYSTEMD_BOOT))?;
    let mut paths: BTreeSet<_> = [linux, initrd, EFI_DEFAULT.to_owned()].into();
    for (path, text) in SystemdBoot::first(entry, editing) {
        staging.text(&path, &text)?;
        paths.insert(path);
    }
    Ok(paths)
}

fn check_room(staging: &Staging, paths: &BTreeSet<String>, size: u64) -> Result<()> {
    let mut wanted = 0;
    for path in paths {
        let path = staging.at(path);
        wanted += fs::metadata(&path).map_err(Error::io("read", &path))?.len();
    }
    // There has to be room for a second generation, or the server could never be updated; the
    // FATs and directories are less than 2 % of the whole.
    let available = size / 2 - size / 50;
    if wanted <= available {
        return Ok(());
    }
    Err(Error::NoRoom { what: "boot partition", wanted, available })
}

fn data(
    tools: &ToolRoot,
    image: &Place,
    plan: &Plan,
    identity: &Identity,
    bundle: &Bundle,
    epoch: u64,
) -> Result<()> {
    let staging = Staging::beside(image.path())?;
    staging.layout(bundle)?;
    staging.folder("state")?;
    staging.touch()?;
    ext4::make(tools, image, plan, identity, staging.path(), epoch)
}

fn boot_code(tools: &ToolRoot) -> Result<[u8; 440]> {
    let path = tools.path().join(BOOT_CODE);
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    let mut code = [0; 440];
    let place = code.get_mut(..bytes.len());
    let place = place.ok_or(Error::NoRoom {
        what: "boot code",
        wanted: bytes.len() as u64,
        available: 440,
    })?;
    place.copy_from_slice(&bytes);
    Ok(code)
}
