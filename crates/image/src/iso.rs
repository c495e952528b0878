//! The ISO image: boots live from a CD and from a USB stick, on BIOS and on UEFI; state is in
//! memory.
//!
//! ```text
//! /imgs              the generation, an OCI image layout
//! /heirloom/<...>    kernel and initramfs, the same extents as their blobs in /imgs
//! /isolinux          for BIOS
//! /efi.img           for UEFI: a FAT with systemd-boot, kernel and initramfs
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use boot::{Editing, Entry, Syslinux};
use generation::cmdline::Data;
use sandbox::{Program, ToolRoot};

use crate::bundle::Bundle;
use crate::disk::fat::{Bits, Fat};
use crate::disk::{boot_files, entry};
use crate::identity::Identity;
use crate::layer::check_clock;
use crate::place::Place;
use crate::staging::Staging;
use crate::{Error, Result};

/// Counts up when the same inputs give other bytes.
pub const VERSION: u32 = 3;

/// Of the root of the group Image: what BIOS loads from a CD, its one module, and the MBR for a
/// stick.
const ISOLINUX: &str = "usr/lib/ISOLINUX/isolinux.bin";
const LDLINUX: &str = "usr/lib/syslinux/modules/bios/ldlinux.c32";
const HYBRID_MBR: &str = "/usr/lib/ISOLINUX/isohdpfx.bin";

const MIB: u64 = 1 << 20;

/// Makes the ISO image `out` of a generation for x86-64, with `tools` the root of the group
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
    let volume = identity.volume();
    let entry = entry(bundle, &Data::Iso(volume.clone()))?;
    let staging = Staging::beside(out)?;
    let layout = staging.layout(bundle)?;

    for (path, blob) in
        [(entry.kernel_path(), entry.kernel), (entry.initramfs_path(), entry.initramfs)]
    {
        // Links within one folder: xorriso writes a file with two names once, so whether they are
        // links must not depend on where the blobs came from.
        let blob = layout.blob(blob);
        staging.parents(&path)?;
        fs::hard_link(&blob, staging.at(&path)).map_err(Error::io("link", &blob))?;
    }
    staging.copy("isolinux/isolinux.bin", &tools.path().join(ISOLINUX))?;
    staging.copy("isolinux/ldlinux.c32", &tools.path().join(LDLINUX))?;
    staging.text("isolinux/isolinux.cfg", &Syslinux::alone(&entry))?;
    let efi = efi(tools, bundle, &entry, editing, &identity, epoch, out)?;
    staging.move_in("efi.img", efi)?;

    let out = Place::create(out)?;
    let command = tools
        .command(Program::Xorriso)
        .args(["-as", "mkisofs", "-quiet", "-o", out.inside(), "-V", &volume])
        // Rock Ridge for names and modes; level 3 for layers of more than 4 GiB.
        .args(["-R", "-iso-level", "3", "-uid", "0", "-gid", "0"])
        .args(["--set_all_file_dates", &format!("={epoch}")])
        .args(["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot"])
        .args(["-boot-load-size", "4", "-boot-info-table", "-isohybrid-mbr", HYBRID_MBR])
        .args(["-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot", "-isohybrid-gpt-basdat"])
        .arg("/work/files")
        .bind_ro(staging.path(), "/work/files");
    let run = out.show(command).epoch(epoch).free_sync().run();
    run.map_err(|source| Error::Tool { what: "ISO image", source }).map(|_| ())
}

/// The FAT for UEFI, in a folder of its own.
fn efi(
    tools: &ToolRoot,
    bundle: &Bundle,
    entry: &Entry,
    editing: Editing,
    identity: &Identity,
    epoch: u64,
    out: &Path,
) -> Result<Staging> {
    let files = Staging::beside(out)?;
    let paths = boot_files(&files, tools, bundle, entry, editing)?;
    let size = fat_size(&files, &paths)?;
    let made = Staging::beside(out)?;
    let image = &Place::sized(&made.at("efi.img"), size)?;
    let (serial, bits) = (identity.boot_serial(), Bits::Sixteen);
    Fat { tools, image, offset: 0, size, bits, serial, label: "EFI", epoch }
        .make(files.path(), &paths)?;
    Ok(made)
}

/// A FAT16 with room for these files, in bytes.
fn fat_size(files: &Staging, paths: &BTreeSet<String>) -> Result<u64> {
    let mut content = 0;
    for path in paths {
        let path = files.at(path);
        let size = fs::metadata(&path).map_err(Error::io("read", &path))?.len();
        content += size.next_multiple_of(2048);
    }
    // A FAT and its copy take 0.2 %, the root directory 16 KiB, other directories a cluster each.
    let wanted = (content + content / 100 + MIB).next_multiple_of(MIB).max(9 * MIB);
    let available = 127 * MIB;
    if wanted > available {
        return Err(Error::NoRoom { what: "EFI image", wanted, available });
    }
    Ok(wanted)
}
