//! The boot partitions of a mirror of two disks: two filesystems with the same files.
//!
//! Firmware and bootloaders write to the one that they were started from, so an array of the two
//! would come apart. Instead each operation is done on the first, which is the one that counts, and
//! then on the second: each of them has the order of writes that survives a power cut. What
//! only one of them has after a cut, or after a boot with one disk, [`Mirrored::bring_in_step`]
//! gives the second.

use std::io::Read;

use crate::partition::SECTOR;
use crate::syslinux::LDLINUX;
use crate::{Error, Partition, Result, entry, systemd_boot};

/// The folders whose files change. Elsewhere only ldlinux.sys does.
const FOLDERS: [&str; 2] = [entry::FOLDER, systemd_boot::FOLDER];

/// Bytes that are compared at a time.
const BLOCK: usize = 64 * 1024;

/// Two partitions, or one whose other is not there.
#[derive(Debug)]
pub struct Mirrored<P> {
    first: P,
    second: Option<P>,
    /// Why the second is left out.
    left_out: Option<Error>,
}

/// How much is read to find out whether two partitions have the same files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Kernels and initramfs by name and length: their names are their digests.
    Names,
    /// Every byte.
    Bytes,
}

impl<P: Partition> Mirrored<P> {
    /// `first` counts, and `second` follows.
    pub fn new(first: P, second: Option<P>) -> Self {
        Self { first, second, left_out: None }
    }

    /// The partition that counts.
    pub fn first(&self) -> &P {
        &self.first
    }

    /// The partition that follows; nothing when there is none, or it could not be written.
    pub fn second(&self) -> Option<&P> {
        self.second.as_ref()
    }

    /// Why the second partition was left out, if it was: what was asked for was done on the first.
    pub fn left_out(&self) -> Option<&Error> {
        self.left_out.as_ref()
    }

    /// Makes the files of the second those of the first; the paths that differed.
    ///
    /// # Errors
    /// The first cannot be read. A second that cannot be written is left out.
    pub fn bring_in_step(&mut self, compare: Compare) -> Result<Vec<String>> {
        let mut changed = Vec::new();
        let (mut kernels, mut others, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(second) = &self.second {
            for folder in FOLDERS {
                let path = |name: &String| format!("{folder}/{name}");
                let names = self.first.list(folder)?;
                let there = second.list(folder).unwrap_or_default();
                gone.extend(there.iter().filter(|name| !names.contains(name)).map(path));
                for path in names.iter().map(path) {
                    let whole = compare == Compare::Bytes || !is_kernel(&path);
                    // What cannot be read is not the same.
                    if !same(&self.first, second, &path, whole).unwrap_or(false) {
                        let list = if is_kernel(&path) { &mut kernels } else { &mut others };
                        list.push(path);
                    }
                }
            }
        }
        if self.first.size(LDLINUX)?.is_some() {
            let second = self.second.as_ref();
            let same = second.map(|it| same(&self.first, it, LDLINUX, true).unwrap_or(false));
            others.extend((same == Some(false)).then(|| LDLINUX.to_owned()));
        }
        // Kernels before the entries that name them, and what is too much at last.
        for path in kernels.into_iter().chain(others) {
            self.follow(|first, second| copy(first, second, &path))?;
            changed.push(path);
        }
        for path in gone {
            self.follow(|_, second| second.remove(&path))?;
            changed.push(path);
        }
        Ok(changed)
    }

    /// Does on the second what was done on the first.
    fn follow(&mut self, what: impl FnOnce(&P, &mut P) -> Result<()>) -> Result<()> {
        if let Some(second) = &mut self.second {
            if let Err(error) = what(&self.first, second) {
                self.second = None;
                self.left_out = Some(error);
            }
        }
        Ok(())
    }
}

fn is_kernel(path: &str) -> bool {
    path.starts_with("heirloom/linux-") || path.starts_with("heirloom/initrd-")
}

fn same<P: Partition>(first: &P, second: &P, path: &str, whole: bool) -> Result<bool> {
    if first.size(path)? != second.size(path)? {
        return Ok(false);
    }
    if !whole {
        return Ok(true);
    }
    let (mut one, mut other) = (first.open(path)?, second.open(path)?);
    let (mut left, mut right) = (vec![0; BLOCK], vec![0; BLOCK]);
    loop {
        let (read, also) = (fill(&mut one, &mut left, path)?, fill(&mut other, &mut right, path)?);
        if left[..read] != right[..also] {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

fn fill(from: &mut dyn Read, block: &mut [u8], path: &str) -> Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match from.read(&mut block[filled..]).map_err(Error::io("read", path))? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// A file of the same length is overwritten by sectors: ldlinux.sys has to stay where it lies.
fn copy<P: Partition>(first: &P, second: &mut P, path: &str) -> Result<()> {
    if let (Some(wanted), Some(found)) = (first.read(path)?, second.read(path)?) {
        if wanted.len() == found.len() {
            let sectors = wanted.chunks(SECTOR).zip(found.chunks(SECTOR)).enumerate();
            for (number, (wanted, found)) in sectors {
                if wanted != found {
                    second.overwrite(path, (number * SECTOR) as u64, wanted)?;
                }
            }
            return Ok(());
        }
    }
    second.remove(path)?;
    second.create(path, &mut first.open(path)?)?;
    match same(first, second, path, true)? {
        true => Ok(()),
        false => Err(Error::BadCopy { path: path.to_owned() }),
    }
}

impl<P: Partition> Partition for Mirrored<P> {
    fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.first.list(folder)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.first.read(path)
    }

    fn size(&self, path: &str) -> Result<Option<u64>> {
        self.first.size(path)
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>> {
        self.first.open(path)
    }

    fn create(&mut self, path: &str, content: &mut dyn Read) -> Result<()> {
        self.first.create(path, content)?;
        self.follow(|first, second| copy(first, second, path))
    }

    fn overwrite(&mut self, path: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        self.first.overwrite(path, offset, bytes)?;
        self.follow(|_, second| second.overwrite(path, offset, bytes))
    }

    fn remove(&mut self, path: &str) -> Result<()> {
        self.first.remove(path)?;
        self.follow(|_, second| second.remove(path))
    }

    fn free(&self) -> Result<u64> {
        let free = self.first.free()?;
        let second = self.second.as_ref().and_then(|second| second.free().ok());
        Ok(second.map_or(free, |second| second.min(free)))
    }
}
