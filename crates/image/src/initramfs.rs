//! The initramfs: `guest/init` and the kernel modules that it loads.
//!
//! ```text
//! /init
//! /modules               the module files in load order, an absolute path a line
//! /lib/modules/<name>.ko
//! /dev /proc /sys /run /mnt   for init to mount on
//! ```
//!
//! It is a function of its files alone: no time, no epoch, so an image of another date has the
//! same initramfs.

use std::fs;
use std::io::Write;
use std::path::Path;

use digest::Digest;
use generation::{Descriptor, manifest};

use crate::cpio::Archive;
use crate::modules::{Module, Wanted, closure};
use crate::tree::Tree;
use crate::{Error, Result};

/// Counts up when the same inputs give other bytes.
pub const VERSION: u32 = 1;

/// zstd's level: 19 takes seconds for 3 % less.
const LEVEL: i32 = 12;

/// Folders that init mounts on.
const FOLDERS: [&str; 7] = ["dev", "lib", "lib/modules", "mnt", "proc", "run", "sys"];

/// Makes the initramfs `out` of the static program `init` and the modules `wanted` of the kernel
/// `release` in `tree`, with what they depend on.
pub fn build(
    tree: &Tree,
    release: &str,
    wanted: &Wanted,
    init: &Path,
    out: &Path,
) -> Result<Descriptor> {
    let init = fs::read(init).map_err(Error::io("read", init))?;
    let modules = closure(tree, release, wanted)?;
    let bytes = pack(&init, &modules).map_err(Error::io("write", out))?;
    fs::write(out, &bytes).map_err(Error::io("write", out))?;
    Ok(Descriptor::of(manifest::MEDIA_TYPE_INITRAMFS, &bytes))
}

/// Copies the kernel `path` of `tree` to `out`.
pub fn kernel(tree: &Tree, path: &str, out: &Path) -> Result<Descriptor> {
    let bytes = tree.read(path)?;
    fs::write(out, &bytes).map_err(Error::io("write", out))?;
    Ok(Descriptor::new(manifest::MEDIA_TYPE_KERNEL, Digest::of(&bytes), bytes.len() as u64))
}

fn pack(init: &[u8], modules: &[Module]) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    // The kernel checks it while it unpacks (lib/decompress_unzstd.c): a damaged file is seen.
    encoder.include_checksum(true)?;
    let mut archive = Archive::new(encoder);
    for folder in FOLDERS {
        archive.directory(folder)?;
    }
    archive.file("init", 0o755, init)?;
    let mut list = Vec::new();
    for Module { name, bytes } in modules {
        archive.file(&format!("lib/modules/{name}.ko"), 0o644, bytes)?;
        writeln!(list, "/lib/modules/{name}.ko")?;
    }
    archive.file("modules", 0o644, &list)?;
    archive.finish()?.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_every_module_in_load_order() {
        let modules = ["b", "a"].map(|name| Module { name: name.into(), bytes: vec![1; 5000] });
        let packed = pack(b"init", &modules).unwrap();
        assert_eq!(packed, pack(b"init", &modules).unwrap());
        let cpio = zstd::decode_all(&packed[..]).unwrap();
        let text = String::from_utf8_lossy(&cpio);
        assert!(text.contains("/lib/modules/b.ko\n/lib/modules/a.ko\n"));
        assert!(text.ends_with("TRAILER!!!\0\0\0\0"));
    }
}
