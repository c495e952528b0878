//! Generations that this workspace sent or wrote to a medium: what deltas are made against.
//!
//! An OCI image layout of hard links into the build's results: it takes no room until those are
//! removed, and removing it costs longer transfers and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
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
        Ok(Self { layout: Layout::create(folder)? })
    }

    /// Keeps a generation, and of its server's older ones the last few.
    pub fn add(&self, bundle: &Bundle) -> Result<()> {
        let is_there = |blob| self.layout.contains(blob);
        let last = self.layout.index()?.manifests.last().map(|entry| entry.digest);
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
        let mut entries = self.layout.index()?.manifests;
        entries.retain(|old| old.digest != entry.digest);
        entries.push(entry);
        let is_ours = |entry: &Entry| entry.annotations.get(SERVER) == Some(server);
        let mut surplus = entries.iter().filter(|it| is_ours(it)).count().saturating_sub(KEPT);
        entries.retain(|entry| {
            let goes = surplus > 0 && is_ours(entry);
            surplus -= usize::from(goes);
            !goes
        });
        self.layout.set_index(&Index::new(entries))?;
        self.collect()
    }

    /// The first of `generations` that is kept.
    pub(crate) fn first(&self, generations: &[Digest]) -> Option<Manifest> {
        let kept: BTreeSet<Digest> =
            self.layout.index().ok()?.manifests.iter().map(|entry| entry.digest).collect();
        let found = generations.iter().find(|generation| kept.contains(generation))?;
        self.layout.manifest(*found).ok()
    }

    /// The file of a blob, if it is here.
    pub(crate) fn blob(&self, blob: &Descriptor) -> Option<PathBuf> {
        self.layout.contains(blob).then(|| self.layout.blob(blob.digest))
    }

    /// Removes the blobs that no entry needs.
    fn collect(&self) -> Result<()> {
        let mut needed = BTreeSet::new();
        for entry in self.layout.index()?.manifests {
            let manifest = self.layout.manifest(entry.digest)?;
            needed.extend(manifest.blobs().map(|blob| blob.digest.hex()));
            needed.insert(entry.digest.hex());
        }
        let folder = self.layout.root().join("blobs/sha256");
        for entry in fs::read_dir(&folder).map_err(Error::io("list", &folder))? {
            let path = entry.map_err(Error::io("list", &folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !needed.contains(name) && !name.starts_with('.') {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }
}
