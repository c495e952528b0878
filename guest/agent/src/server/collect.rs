//! Room: what goes so that something else can come.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use boot::Partition;
use digest::Digest;
use generation::{Descriptor, Manifest};
use transfer::incoming;

use crate::catalog::Catalog;
use crate::keep::{self, Room, Shortage, Wanted, Weight};
use crate::server::Server;
use crate::{Error, Result};

/// Bytes of the data partition that stay free for state and for the filesystem's own.
const RESERVE: u64 = 32 * 1024 * 1024;

impl<P: Partition> Server<P> {
    /// Makes room on both partitions for the generation of `manifest`, of which `missing` bytes
    /// have still to come; returns the numbers of the generations that went.
    ///
    /// # Errors
    /// Too little room, even if all went that may: nothing has gone then.
    pub fn make_room(&mut self, manifest: &Manifest, missing: u64) -> Result<Vec<u64>> {
        // What a broken transfer has left of other generations makes room first.
        let coming: Vec<Digest> = manifest.blobs().map(|blob| blob.digest).collect();
        incoming::forget(&self.layout, &coming)?;
        let known = self.catalog()?.find(manifest.digest()).map(|held| held.number);
        let wanted = Wanted {
            room: Room { data: with_reserve(missing), boot: self.boot_needs(manifest)? },
            generations: usize::from(known.is_none()),
            blobs: coming.into_iter().collect(),
        };
        self.make(&wanted, known, Some(manifest))
    }

    /// Makes room for kernel and initramfs of the generation `number`, which is there.
    pub(super) fn make_boot_room(&mut self, number: u64, manifest: &Manifest) -> Result<()> {
        let boot = self.boot_needs(manifest)?;
        if boot == 0 {
            return Ok(());
        }
        let blobs = manifest.blobs().map(|blob| blob.digest).collect();
        let wanted = Wanted { room: Room { data: 0, boot }, generations: 0, blobs };
        self.make(&wanted, Some(number), Some(manifest)).map(drop)
    }

    /// Removes generations beyond the limit, and what nobody needs; returns their numbers.
    pub fn collect(&mut self) -> Result<Vec<u64>> {
        let gone = self.make(&Wanted::default(), None, None)?;
        incoming::forget(&self.layout, &[])?;
        self.layout.remove_leftovers()?;
        self.sweep(None)?;
        self.boot.collect()?;
        Ok(gone)
    }

    fn make(
        &mut self,
        wanted: &Wanted,
        spared: Option<u64>,
        manifest: Option<&Manifest>,
    ) -> Result<Vec<u64>> {
        let mut catalog = self.catalog()?;
        let weights = self.weights(&catalog, spared)?;
        let free = Room { data: self.free_at_all()?, boot: self.boot.free()? };
        let gone = keep::plan(&weights, free, wanted).map_err(|shortage| match shortage {
            Shortage::Data(available) => {
                let [wanted, available] =
                    [wanted.room.data, available].map(|bytes| bytes.saturating_sub(RESERVE));
                Error::NoRoom { what: "the data partition", wanted, available }
            }
            Shortage::Boot(available) => {
                let what = "the boot partition";
                Error::NoRoom { what, wanted: wanted.room.boot, available }
            }
            Shortage::Count(count) => Error::TooMany(count),
        })?;
        for number in &gone {
            // The bootloader forgets it first: it must never name what is not there.
            self.boot.remove(*number)?;
            catalog.remove(*number);
            self.layout.set_index(catalog.index())?;
        }
        if !gone.is_empty() {
            self.sweep(manifest)?;
        }
        Ok(gone)
    }

    /// Removes blobs that no generation has, and not `coming` either.
    fn sweep(&self, coming: Option<&Manifest>) -> Result<()> {
        let mut used = BTreeSet::new();
        let mut keep = |manifest: &Manifest| {
            used.insert(manifest.digest());
            used.extend(manifest.blobs().map(|blob| blob.digest));
        };
        if let Some(manifest) = coming {
            keep(manifest);
        }
        let mut unknown = BTreeSet::new();
        for held in self.catalog()?.all() {
            match self.layout.manifest(held.generation) {
                Ok(manifest) => keep(&manifest),
                // What it needs cannot be known.
                Err(_) => drop(unknown.insert(held.number)),
            }
        }
        let running = self.catalog()?.find(self.running.generation).map(|held| held.number);
        if running.is_some_and(|running| unknown.contains(&running)) {
            return Err(Error::Refused("the manifest of what is running cannot be read"));
        }
        for (digest, _) in self.layout.blobs()? {
            if !used.contains(&digest) {
                self.layout.remove_blob(digest)?;
            }
        }
        Ok(())
    }

    fn weights(&self, catalog: &Catalog, spared: Option<u64>) -> Result<Vec<Weight>> {
        let used = self.in_use(catalog)?;
        let mut weights = Vec::new();
        for held in catalog.all() {
            let removable = !used.contains(&held.number) && spared != Some(held.number);
            let mut weight = Weight { number: held.number, removable, ..Weight::default() };
            // A generation whose manifest is damaged frees nothing that can be known.
            if let Ok(manifest) = self.layout.manifest(held.generation) {
                let size = |blob: &Descriptor| (blob.digest, blob.size);
                let there = manifest.blobs().filter(|blob| self.layout.contains(blob));
                weight.blobs = there.map(size).collect();
                weight.boot = self.on_boot(&manifest)?;
            }
            weights.push(weight);
        }
        Ok(weights)
    }

    /// Kernel and initramfs, as far as they are on the boot partition.
    fn on_boot(&self, manifest: &Manifest) -> Result<BTreeMap<Digest, u64>> {
        let mut there = BTreeMap::new();
        let (kernel, initramfs) = (manifest.kernel()?, manifest.initramfs()?);
        for (blob, path) in [
            (kernel, boot::kernel_path(kernel.digest)),
            (initramfs, boot::initramfs_path(initramfs.digest)),
        ] {
            if let Some(size) = self.boot.partition().size(&path)? {
                there.insert(blob.digest, size);
            }
        }
        Ok(there)
    }

    fn boot_needs(&self, manifest: &Manifest) -> Result<u64> {
        let [kernel, initramfs] =
            [manifest.kernel()?, manifest.initramfs()?].map(|blob| (blob.digest, blob.size));
        Ok(self.boot.needs(kernel, initramfs)?)
    }

    /// Bytes of the data partition that generations may take.
    pub fn free_data(&self) -> Result<u64> {
        Ok(self.free_at_all()?.saturating_sub(RESERVE))
    }

    fn free_at_all(&self) -> Result<u64> {
        let root = self.layout.root();
        let found = rustix::fs::statvfs(root).map_err(io::Error::from);
        let found = found.map_err(Error::io("measure", root))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// What has to be free for `bytes` to come: the reserve is not theirs, however little is left of it.
fn with_reserve(bytes: u64) -> u64 {
    if bytes == 0 { 0 } else { bytes.saturating_add(RESERVE) }
}
