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
    /// have still to come; returns the numbers of the generations that went. No other transfer may
    /// be under way: what it has brought is nobody's.
    ///
    /// # Errors
    /// As [`Server::plan_room`]: nothing has gone then.
    pub fn make_room(&mut self, manifest: &Manifest, missing: u64) -> Result<Vec<u64>> {
        let gone = self.plan_room(manifest, missing)?;
        self.forget(&gone)?;
        incoming::forget(&self.layout, &digests(manifest))?;
        self.sweep(Some(manifest))?;
        Ok(gone)
    }

    /// The generations that would go for that. Nothing changes.
    ///
    /// # Errors
    /// Too little room, even if all went that may.
    pub fn plan_room(&self, manifest: &Manifest, missing: u64) -> Result<Vec<u64>> {
        let catalog = self.catalog()?;
        let known = catalog.find(manifest.digest()).map(|held| held.number);
        let coming = digests(manifest);
        let mut free = self.free()?;
        // What broken transfers have left makes room before any generation does.
        free.data += incoming::size_without(&self.layout, &coming)?;
        free.data += self.nobodys(Some(manifest))?.iter().map(|(_, size)| size).sum::<u64>();
        let wanted = Wanted {
            room: Room { data: with_reserve(missing), boot: self.boot_needs(manifest)? },
            generations: usize::from(known.is_none()),
            blobs: coming.into_iter().collect(),
        };
        self.plan(&catalog, free, &wanted, known)
    }

    /// Makes room for kernel and initramfs of the generation `number`, which is there. Blobs stay:
    /// they take no room of the boot partition, and a transfer may have brought some of them.
    pub(super) fn make_boot_room(&mut self, number: u64, manifest: &Manifest) -> Result<()> {
        let boot = self.boot_needs(manifest)?;
        if boot == 0 {
            return Ok(());
        }
        let blobs = digests(manifest).into_iter().collect();
        let wanted = Wanted { room: Room { data: 0, boot }, generations: 0, blobs };
        let gone = self.plan(&self.catalog()?, self.free()?, &wanted, Some(number))?;
        self.forget(&gone)
    }

    /// Removes generations beyond the limit, and what nobody needs; returns their numbers. No
    /// transfer may be under way.
    pub fn collect(&mut self) -> Result<Vec<u64>> {
        let gone = self.plan(&self.catalog()?, self.free()?, &Wanted::default(), None)?;
        self.forget(&gone)?;
        incoming::forget(&self.layout, &[])?;
        self.layout.remove_leftovers()?;
        self.sweep(None)?;
        self.boot.collect()?;
        Ok(gone)
    }

    fn plan(
        &self,
        catalog: &Catalog,
        free: Room,
        wanted: &Wanted,
        spared: Option<u64>,
    ) -> Result<Vec<u64>> {
        let weights = self.weights(catalog, spared)?;
        keep::plan(&weights, free, wanted).map_err(|shortage| match shortage {
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
        })
    }

    /// Forgets generations. Their blobs stay until somebody sweeps.
    fn forget(&mut self, gone: &[u64]) -> Result<()> {
        let mut catalog = self.catalog()?;
        for number in gone {
            // The bootloader forgets it first: it must never name what is not there.
            self.boot.remove(*number)?;
            catalog.remove(*number);
            self.layout.set_index(catalog.index())?;
        }
        Ok(())
    }

    /// Removes blobs that no generation has, and not `coming` either.
    fn sweep(&self, coming: Option<&Manifest>) -> Result<()> {
        for (digest, _) in self.nobodys(coming)? {
            self.layout.remove_blob(digest)?;
        }
        Ok(())
    }

    /// The blobs that no generation has, and not `coming` either, with their lengths.
    fn nobodys(&self, coming: Option<&Manifest>) -> Result<Vec<(Digest, u64)>> {
        let mut used = BTreeSet::new();
        let mut keep = |manifest: &Manifest| {
            used.insert(manifest.digest());
            used.extend(digests(manifest));
        };
        if let Some(manifest) = coming {
            keep(manifest);
        }
        for held in self.catalog()?.all() {
            match self.layout.manifest(held.generation) {
                Ok(manifest) => keep(&manifest),
                Err(_) if held.generation == self.running.generation => {
                    let why = "the manifest of what is running cannot be read";
                    return Err(Error::Refused(why));
                }
                // What it needs cannot be known.
                Err(_) => {}
            }
        }
        let mut blobs = self.layout.blobs()?;
        blobs.retain(|(digest, _)| !used.contains(digest));
        Ok(blobs)
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

    fn free(&self) -> Result<Room> {
        Ok(Room { data: self.free_at_all()?, boot: self.boot.free()? })
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

fn digests(manifest: &Manifest) -> Vec<Digest> {
    manifest.blobs().map(|blob| blob.digest).collect()
}
