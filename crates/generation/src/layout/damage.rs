//! Blobs that were found damaged: they count as missing until they have come again.
//!
//! ```text
//! damaged/<hex>          empty; the blob of that digest has other bytes on this disk
//! ```
//!
//! What is marked is not removed: what runs goes on with what can be read of it.

use std::fs;
use std::io;

use digest::Digest;

use super::{Layout, names};
use crate::Result;
use crate::files::{create, make_dir, remove, sync};

const DIRECTORY: &str = "damaged";

impl Layout {
    /// Marks a blob as damaged.
    pub fn mark_damaged(&self, digest: Digest) -> Result<()> {
        if self.is_marked(digest) {
            return Ok(());
        }
        let directory = self.root.join(DIRECTORY);
        make_dir(&directory)?;
        create(&directory.join(digest.hex()))?;
        sync(&directory)?;
        sync(&self.root)
    }

    /// Takes the mark of a blob away, if it has one.
    pub fn unmark_damaged(&self, digest: Digest) -> Result<()> {
        if !self.is_marked(digest) {
            return Ok(());
        }
        let directory = self.root.join(DIRECTORY);
        remove(&directory.join(digest.hex()))?;
        sync(&directory)
    }

    /// The blobs that are marked, sorted.
    pub fn damaged(&self) -> Result<Vec<Digest>> {
        let directory = self.root.join(DIRECTORY);
        match fs::symlink_metadata(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            _ => {}
        }
        let names = names(&directory)?;
        let mut damaged: Vec<_> =
            names.iter().filter_map(|(name, _)| Digest::from_hex(name).ok()).collect();
        damaged.sort();
        Ok(damaged)
    }

    pub(super) fn is_marked(&self, digest: Digest) -> bool {
        fs::symlink_metadata(self.root.join(DIRECTORY).join(digest.hex())).is_ok()
    }
}
