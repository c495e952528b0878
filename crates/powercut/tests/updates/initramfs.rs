//! Another initramfs that does the same: files that are new to the boot partition.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use generation::{Descriptor, manifest};
use image::{Blob, Bundle};

/// A generation like `bundle` whose initramfs has `archives` empty archives behind it, and is put
/// into `folder`.
pub(crate) fn with_empty_archives(
    bundle: &Bundle,
    archives: usize,
    folder: &Path,
) -> Result<Bundle> {
    let mut blobs = bundle.layers().map(|(descriptor, path)| Blob::new(descriptor.clone(), path));
    let (kernel, initramfs) = (blobs.next(), blobs.next());
    let (kernel, initramfs) = kernel.zip(initramfs).context("there is no kernel")?;
    let mut bytes = fs::read(&initramfs.path)?;
    // The kernel takes several archives one after the other, from multiples of four bytes on
    // (Documentation/driver-api/early-userspace/buffer-format.rst).
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    for _ in 0..archives {
        bytes.extend(end());
    }
    let path = folder.join(format!("initramfs-{archives}"));
    fs::write(&path, &bytes)?;
    let initramfs = Blob::new(Descriptor::of(manifest::MEDIA_TYPE_INITRAMFS, &bytes), path);
    Ok(Bundle::new(bundle.config().clone(), kernel, initramfs, blobs.collect())?)
}

/// The member that ends an archive (cpio(5), "New ASCII Format").
fn end() -> Vec<u8> {
    const NAME: &str = "TRAILER!!!\0";
    let fields = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, NAME.len(), 0];
    let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
    let mut bytes = format!("070701{fields}{NAME}").into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
