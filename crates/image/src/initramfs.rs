//! The initramfs: `guest/init`, the kernel modules that it loads and the program that it checks the
//! data filesystem with.
//!
//! ```text
//! /init
//! /sbin/e2fsck           static; 1.9 MB, of which zstd leaves 0.8
//! /modules               what each module is for (`generation::modules`)
//! /lib/modules/<name>.ko
//! /dev /proc /sys /run /mnt   for init to mount on
//! ```
//!
//! It is a function of its files alone: no time, no epoch, so an image of another date has the
//! same initramfs.

use std::fs;
use std::path::Path;

use digest::Digest;
use generation::{Descriptor, Modules, manifest};

use crate::cpio::Archive;
use crate::modules::{Closure, Module, Wanted, closure};
use crate::tree::Tree;
use crate::{Error, Result};

/// Counts up when the same inputs give other bytes.
pub const VERSION: u32 = 3;

/// zstd's level: 19 takes seconds for 3 % less.
const LEVEL: i32 = 12;

/// Folders that init mounts on.
const FOLDERS: [&str; 8] = ["dev", "lib", "lib/modules", "mnt", "proc", "run", "sbin", "sys"];

/// The static e2fsck for x86-64, in the root of the group Image.
pub const E2FSCK: &str = "sbin/e2fsck.static";

/// The static programs of an initramfs, for the server's architecture.
#[derive(Clone, Copy, Debug)]
pub struct Programs<'a> {
    /// PID 1.
    pub init: &'a Path,
    /// Checks the data filesystem; without it a filesystem is mounted as it is.
    pub e2fsck: Option<&'a Path>,
}

/// Makes the initramfs `out` of static programs and the modules `wanted` of the kernel `release`
/// in `tree`, with what they depend on.
pub fn build(
    tree: &Tree,
    release: &str,
    wanted: &Wanted,
    programs: Programs<'_>,
    out: &Path,
) -> Result<Descriptor> {
    let read = |path: &Path| fs::read(path).map_err(Error::io("read", path));
    let init = read(programs.init)?;
    let e2fsck = programs.e2fsck.map(read).transpose()?;
    let closure = closure(tree, release, wanted)?;
    let bytes = pack(&init, e2fsck.as_deref(), &closure).map_err(Error::io("write", out))?;
    fs::write(out, &bytes).map_err(Error::io("write", out))?;
    Ok(Descriptor::of(manifest::MEDIA_TYPE_INITRAMFS, &bytes))
}

/// Copies the kernel `path` of `tree` to `out`.
pub fn kernel(tree: &Tree, path: &str, out: &Path) -> Result<Descriptor> {
    let bytes = tree.read(path)?;
    fs::write(out, &bytes).map_err(Error::io("write", out))?;
    Ok(Descriptor::new(manifest::MEDIA_TYPE_KERNEL, Digest::of(&bytes), bytes.len() as u64))
}

fn pack(init: &[u8], e2fsck: Option<&[u8]>, closure: &Closure) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    // The kernel checks it while it unpacks (lib/decompress_unzstd.c): a damaged file is seen.
    encoder.include_checksum(true)?;
    let mut archive = Archive::new(encoder);
    for folder in FOLDERS {
        archive.directory(folder)?;
    }
    archive.file("init", 0o755, init)?;
    if let Some(e2fsck) = e2fsck {
        archive.file("sbin/e2fsck", 0o755, e2fsck)?;
    }
    for Module { name, bytes } in &closure.files {
        archive.file(&format!("lib/modules/{name}.ko"), 0o644, bytes)?;
    }
    archive.file(Modules::NAME, 0o644, closure.table.to_text().as_bytes())?;
    archive.finish()?.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_beside_what_init_is_told_of_them() {
        let files = ["a", "b"].map(|name| Module { name: name.into(), bytes: vec![1; 5000] });
        let table = Modules::parse("always b\nmodule a\nmodule b a\nalias pci:v* a\n");
        let closure = Closure { table, files: files.into() };
        let packed = pack(b"init", Some(b"check"), &closure).unwrap();
        assert_eq!(packed, pack(b"init", Some(b"check"), &closure).unwrap());
        let cpio = zstd::decode_all(&packed[..]).unwrap();
        let text = String::from_utf8_lossy(&cpio);
        assert!(text.contains("always b\nmodule a\nmodule b a\nalias pci:v* a\n"));
        assert!(text.contains("lib/modules/b.ko\0") && text.contains("sbin/e2fsck\0"));
        assert!(text.ends_with("TRAILER!!!\0\0\0\0"));
    }
}
