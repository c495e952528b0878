//! The boot partition as a whole: bootloaders, and the kernels that their entries share.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use digest::Digest;

use crate::entry::{FOLDER, initramfs_path, kernel_path};
use crate::{BootControl, Boots, Entry, Error, Partition, Result};

/// Bytes that are left free for entries and folders.
const RESERVE: u64 = 1024 * 1024;

/// A boot partition, the bootloader that starts this machine from it, and other bootloaders that
/// the same disk can be started by: they follow what is confirmed, so that the disk still boots in
/// a machine with other firmware.
pub struct BootPartition<P> {
    partition: P,
    control: Box<dyn BootControl>,
    others: Vec<Box<dyn BootControl>>,
}

impl<P: Partition> BootPartition<P> {
    /// `control` is the bootloader that starts this machine.
    pub fn new(
        partition: P,
        control: Box<dyn BootControl>,
        others: Vec<Box<dyn BootControl>>,
    ) -> Self {
        Self { partition, control, others }
    }

    /// The files.
    pub fn partition(&self) -> &P {
        &self.partition
    }

    /// The files, to change them.
    pub fn partition_mut(&mut self) -> &mut P {
        &mut self.partition
    }

    /// What the bootloader of this machine will do.
    pub fn read(&self) -> Result<Boots> {
        self.control.read(&self.partition)
    }

    /// Bytes that are free for kernels.
    pub fn free(&self) -> Result<u64> {
        Ok(self.partition.free()?.saturating_sub(RESERVE))
    }

    /// Bytes that `entry` needs besides what is there.
    pub fn needs(&self, kernel: (Digest, u64), initramfs: (Digest, u64)) -> Result<u64> {
        let mut wanted = 0;
        for (path, size) in
            [(kernel_path(kernel.0), kernel.1), (initramfs_path(initramfs.0), initramfs.1)]
        {
            if self.partition.size(&path)? != Some(size) {
                wanted += size;
            }
        }
        Ok(wanted)
    }

    /// Starts `entry` at the next boot, once. `kernel` and `initramfs` are its files.
    ///
    /// # Errors
    /// [`Error::NoRoom`], before anything is written.
    pub fn arm(&mut self, entry: &Entry, kernel: &Path, initramfs: &Path) -> Result<()> {
        self.put_files(entry, kernel, initramfs)?;
        self.control.arm(&mut self.partition, entry)
    }

    /// Starts the default at the next boot.
    pub fn disarm(&mut self) -> Result<()> {
        self.control.disarm(&mut self.partition)
    }

    /// Starts `entry` from now on.
    ///
    /// # Errors
    /// [`Error::NoRoom`], before anything is written.
    pub fn confirm(&mut self, entry: &Entry, kernel: &Path, initramfs: &Path) -> Result<()> {
        self.put_files(entry, kernel, initramfs)?;
        self.control.confirm(&mut self.partition, entry)?;
        for other in &self.others {
            other.confirm(&mut self.partition, entry)?;
        }
        Ok(())
    }

    /// Reads what the default, `entry`, is started from, and writes what is not as it has to be;
    /// what that was, a line each. Of a file that is damaged there is a moment without it.
    ///
    /// # Errors
    /// [`Error::NoRoom`] and [`Error::BadSource`], before anything is written.
    pub fn mend(&mut self, entry: &Entry, kernel: &Path, initramfs: &Path) -> Result<Vec<String>> {
        let mut mended = Vec::new();
        for (path, digest, source) in [
            (entry.kernel_path(), entry.kernel, kernel),
            (entry.initramfs_path(), entry.initramfs, initramfs),
        ] {
            if self.digest(&path)? == Some(digest) {
                continue;
            }
            let file = File::open(source).map_err(Error::io("open", source))?;
            let (found, _) = Digest::of_reader(file).map_err(Error::io("read", source))?;
            // A damaged file is better than none: some of them start.
            if found != digest {
                return Err(Error::BadSource { path: source.to_owned() });
            }
            mended.push(format!("{path} was damaged"));
        }
        if !mended.is_empty() {
            self.put_files(entry, kernel, initramfs)?;
        }
        for control in std::iter::once(&self.control).chain(&self.others) {
            if !control.has(&self.partition, entry)? {
                control.confirm(&mut self.partition, entry)?;
                mended.push(format!("the entry of generation {} was another", entry.number));
            }
        }
        Ok(mended)
    }

    /// Lets the other bootloaders follow: `entry` is the default of the one in charge. They do
    /// when it is confirmed, unless the power fails in between.
    pub fn follow(&mut self, entry: &Entry) -> Result<()> {
        for other in &self.others {
            if other.read(&self.partition)?.default != Some(entry.number) {
                other.confirm(&mut self.partition, entry)?;
            }
        }
        Ok(())
    }

    /// Forgets the generation `number`, and the files that no other needs.
    pub fn remove(&mut self, number: u64) -> Result<()> {
        self.control.remove(&mut self.partition, number)?;
        for other in &self.others {
            // Another bootloader's default goes when that bootloader follows.
            match other.remove(&mut self.partition, number) {
                Err(Error::InUse(_)) => {}
                removed => removed?,
            }
        }
        self.collect()
    }

    /// Removes kernels and initramfs that no entry names.
    pub fn collect(&mut self) -> Result<()> {
        let mut used: BTreeSet<String> = self.control.kernels(&self.partition)?;
        for other in &self.others {
            used.extend(other.kernels(&self.partition)?);
        }
        for name in self.partition.list(FOLDER)? {
            let path = format!("{FOLDER}/{name}");
            let ours = name.starts_with("linux-") || name.starts_with("initrd-");
            if ours && !used.contains(&path) {
                self.partition.remove(&path)?;
            }
        }
        Ok(())
    }

    fn put_files(&mut self, entry: &Entry, kernel: &Path, initramfs: &Path) -> Result<()> {
        let files = [
            (entry.kernel_path(), entry.kernel, kernel),
            (entry.initramfs_path(), entry.initramfs, initramfs),
        ];
        let mut missing = Vec::new();
        let mut wanted = 0;
        for (path, digest, source) in files {
            if self.digest(&path)? != Some(digest) {
                let file = File::open(source).map_err(Error::io("open", source))?;
                wanted += file.metadata().map_err(Error::io("read", source))?.len();
                missing.push((path, digest, file));
            }
        }
        // What is there under one of the names is half a copy: a power failure left it.
        for (path, ..) in &missing {
            self.partition.remove(path)?;
        }
        let free = self.free()?;
        if wanted > free {
            return Err(Error::NoRoom { wanted, free });
        }
        for (path, digest, mut file) in missing {
            self.partition.create(&path, &mut file)?;
            if self.digest(&path)? != Some(digest) {
                return Err(Error::BadCopy { path });
            }
        }
        Ok(())
    }

    fn digest(&self, path: &str) -> Result<Option<Digest>> {
        if self.partition.size(path)?.is_none() {
            return Ok(None);
        }
        let file = self.partition.open(path)?;
        let (digest, _) = Digest::of_reader(file).map_err(Error::io("read", path))?;
        Ok(Some(digest))
    }
}
