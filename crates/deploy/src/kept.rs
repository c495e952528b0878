//! Generations that this workspace sent or wrote to a medium: what deltas are made against.
//!
//! An OCI image layout of hard links into the build's results: it takes no room until those are
//! removed, and removing it, or any part of it, costs longer transfers and nothing else. Who
//! changes it holds its directory's lock (`flock`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use digest::Digest;
use generation::layout::Entry;
use generation::{Descriptor, Index, Layout, Manifest};
use image::Bundle;

use crate::{Error, Result};

/// Generations of one server that are kept.
const KEPT: usize = 6;

/// Whose generation an entry is.
const SERVER: &str = "dev.heirloom.server";

/// The generations that were sent.
#[derive(Debug)]
pub struct Kept {
    layout: Layout,
}

impl Kept {
    /// Those kept in `folder`, which is made if it is not there.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let _alone = lock(folder)?;
        Ok(Self { layout: Layout::create(folder)? })
    }

    /// Keeps a generation, and of its server's older ones the last few. Waits for others that do
    /// the same.
    pub fn add(&self, bundle: &Bundle) -> Result<()> {
        let _alone = lock(self.layout.root())?;
        let mut entries = self.layout.index()?.manifests;
        // What somebody has removed is no base, and hinders nobody.
        entries.retain(|entry| self.layout.manifest(entry.digest).is_ok());
        let is_there = |blob| self.layout.contains(blob);
        let last = entries.last().map(|entry| entry.digest);
        if last == Some(bundle.manifest().digest()) && bundle.manifest().blobs().all(is_there) {
            return Ok(());
        }
        self.layout.insert_documents(bundle.manifest(), bundle.config())?;
        for (blob, file) in bundle.layers() {
            self.layout.link(file, blob)?;
        }
        let server = &bundle.config().server;
        let note = BTreeMap::from([(SERVER.to_owned(), server.clone())]);
        let entry = Entry::new(bundle.manifest(), note);
        entries.retain(|old| old.digest != entry.digest);
        entries.push(entry);
        let is_ours = |entry: &Entry| entry.annotations.get(SERVER) == Some(server);
        let mut surplus = entries.iter().filter(|it| is_ours(it)).count().saturating_sub(KEPT);
        entries.retain(|entry| {
            let goes = surplus > 0 && is_ours(entry);
            surplus -= usize::from(goes);
            !goes
        });
        let index = Index::new(entries);
        self.layout.set_index(&index)?;
        self.collect(&index)
    }

    /// The first of `generations` that is kept.
    pub(crate) fn first(&self, generations: &[Digest]) -> Option<Manifest> {
        let kept: BTreeSet<Digest> =
            self.layout.index().ok()?.manifests.iter().map(|entry| entry.digest).collect();
        let mut kept = generations.iter().filter(|generation| kept.contains(generation));
        kept.find_map(|generation| self.layout.manifest(*generation).ok())
    }

    /// The file of a blob, if it is here.
    pub(crate) fn blob(&self, blob: &Descriptor) -> Option<PathBuf> {
        self.layout.contains(blob).then(|| self.layout.blob(blob.digest))
    }

    /// Removes the blobs that no entry needs.
    fn collect(&self, index: &Index) -> Result<()> {
        let mut needed = BTreeSet::new();
        for entry in &index.manifests {
            let manifest = self.layout.manifest(entry.digest)?;
            needed.extend(manifest.blobs().map(|blob| blob.digest));
            needed.insert(entry.digest);
        }
        for (digest, _) in self.layout.blobs()? {
            if !needed.contains(&digest) {
                self.layout.remove_blob(digest)?;
            }
        }
        // Of commands that were killed: whoever writes here has the lock.
        self.layout.remove_leftovers()?;
        Ok(())
    }
}

/// The right to change what is in `folder`, until the file is closed.
fn lock(folder: &Path) -> Result<File> {
    let lock = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    lock.map_err(Error::io("lock", folder))
}
