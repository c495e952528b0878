//! An initramfs whose init hangs: opening one of its modules never ends.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use generation::{Descriptor, manifest};
use image::{Blob, Bundle};

/// A module that every board needs; the watchdog's is loaded before it.
const MODULE: &str = "lib/modules/dm_verity.ko";

/// A generation like `bundle` with such an initramfs, which is put into `folder`.
pub(crate) fn that_hangs(bundle: &Bundle, folder: &Path) -> Result<Bundle> {
    let mut layers: Vec<Blob> =
        bundle.layers().map(|(descriptor, path)| Blob::new(descriptor.clone(), path)).collect();
    let initramfs = layers.get_mut(1).context("there is no initramfs")?;
    let mut bytes = fs::read(&initramfs.path)?;
    // The kernel takes several archives one after the other, from multiples of four bytes on; of a
    // path that is there twice the last counts (Documentation/driver-api/early-userspace/
    // buffer-format.rst).
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    const FIFO: u32 = 0o010_600;
    bytes.extend(entry(MODULE, FIFO));
    bytes.extend(entry("TRAILER!!!", 0));
    let path = folder.join("initramfs");
    fs::write(&path, &bytes)?;
    *initramfs = Blob::new(Descriptor::of(manifest::MEDIA_TYPE_INITRAMFS, &bytes), path);
    let mut layers = layers.into_iter();
    let (kernel, initramfs) = (layers.next(), layers.next());
    let (kernel, initramfs) = kernel.zip(initramfs).context("there is no kernel")?;
    Ok(Bundle::new(bundle.config().clone(), kernel, initramfs, layers.collect())?)
}

/// A member without content (cpio(5), "New ASCII Format").
fn entry(name: &str, mode: u32) -> Vec<u8> {
    let length = name.len() + 1;
    let fields = [0, mode, 0, 0, 1, 0, 0, 0, 0, 0, 0, length.try_into().unwrap_or(0), 0];
    let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
    let mut bytes = format!("070701{fields}{name}\0").into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
