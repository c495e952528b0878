//! A generation, as a bootloader starts it.

use digest::Digest;
use generation::cmdline::{Boot, Data};
use generation::{Config, Manifest};

use crate::Result;

/// A generation, as a bootloader starts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number on this server.
    pub number: u64,
    /// What a person sees in the menu.
    pub title: String,
    /// The kernel's whole command line once it is confirmed.
    pub cmdline: String,
    /// The same while it is on trial.
    pub trial_cmdline: String,
    /// The digest of the kernel.
    pub kernel: Digest,
    /// The digest of the initramfs.
    pub initramfs: Digest,
}

impl Entry {
    /// The entry of a generation that has `number` here and whose blobs are on `data`.
    pub fn new(number: u64, manifest: &Manifest, config: &Config, data: &Data) -> Result<Self> {
        let generation = manifest.digest();
        let cmdline =
            |trial| Boot { generation, data: data.clone(), trial }.cmdline(&config.cmdline);
        Ok(Self {
            number,
            title: format!("{}, generation {number}", config.server),
            cmdline: cmdline(false),
            trial_cmdline: cmdline(true),
            kernel: manifest.kernel()?.digest,
            initramfs: manifest.initramfs()?.digest,
        })
    }

    /// Where the kernel lies on the boot partition.
    pub fn kernel_path(&self) -> String {
        kernel_path(self.kernel)
    }

    /// Where the initramfs lies on the boot partition.
    pub fn initramfs_path(&self) -> String {
        initramfs_path(self.initramfs)
    }
}

/// The folder of kernels and initramfs, and of syslinux's labels.
pub(crate) const FOLDER: &str = "heirloom";

/// Where the kernel of this digest lies on the boot partition.
pub fn kernel_path(digest: Digest) -> String {
    format!("{FOLDER}/linux-{}", digest.short())
}

/// Where the initramfs of this digest lies on the boot partition.
pub fn initramfs_path(digest: Digest) -> String {
    format!("{FOLDER}/initrd-{}", digest.short())
}
