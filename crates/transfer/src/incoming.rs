//! Blobs that are on their way: what was received of them, decoded, from the first byte on.
//!
//! ```text
//! /imgs/incoming/<hex>     the first bytes of the blob of that digest
//! ```
//!
//! They are nobody's until their bytes have been checked and [`Incoming::publish`] has made them
//! blobs of the layout. Removing the directory costs a repeated transfer and nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use digest::{Digest, Hasher};
use generation::{Descriptor, Layout};

use crate::message::Refusal;
use crate::{Error, Result};

/// Where they lie, relative to the layout.
pub const DIRECTORY: &str = "incoming";

/// A blob that is being received.
pub struct Incoming {
    blob: Descriptor,
    path: PathBuf,
    file: File,
    hasher: Hasher,
}

impl Incoming {
    /// How many bytes of `blob` are there already.
    pub fn have(layout: &Layout, blob: &Descriptor) -> u64 {
        let found = fs::symlink_metadata(path(layout, blob.digest));
        let length = found.ok().filter(fs::Metadata::is_file).map_or(0, |found| found.len());
        // More than the whole is not ours.
        if length > blob.size { 0 } else { length }
    }

    /// Goes on with `blob` behind its first `offset` bytes, which have to be there.
    pub fn open(layout: &Layout, blob: &Descriptor, offset: u64) -> Result<Self> {
        let directory = layout.root().join(DIRECTORY);
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("make", &directory)(error));
            }
            _ => {}
        }
        let path = path(layout, blob.digest);
        if offset > Self::have(layout, blob) {
            return Err(Error::protocol(format!(
                "{offset} bytes of {} are not there",
                blob.digest
            )));
        }
        let mut options = OpenOptions::new();
        // A file that is longer than the offset loses the rest.
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(Error::io("open", &path))?;
        file.set_len(offset).map_err(Error::io("shorten", &path))?;
        let mut hasher = Hasher::new();
        // Reading to the end leaves the position there.
        io::copy(&mut file, &mut hasher).map_err(Error::io("read", &path))?;
        Ok(Self { blob: blob.clone(), path, file, hasher })
    }

    /// How many bytes still have to come.
    pub fn missing(&self) -> u64 {
        self.blob.size - self.hasher.len()
    }

    /// Takes the next bytes, no more than are missing.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > self.missing() {
            return Err(Error::protocol(format!("more than all of {}", self.blob.digest)));
        }
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Checks the blob and makes it one of the layout. Bytes that do not have their digest are
    /// removed: nothing could follow them that would.
    pub fn publish(self, layout: &Layout) -> Result<()> {
        let (found, blob) = (self.hasher.finish(), &self.blob);
        if found != blob.digest || self.hasher.len() != blob.size {
            fs::remove_file(&self.path).map_err(Error::io("remove", &self.path))?;
            let message = format!("blob {} came with other bytes: {found}", blob.digest);
            return Err(Error::Refused(Refusal { mismatch: true, ..Refusal::new(message) }));
        }
        self.file.sync_all().map_err(Error::io("write", &self.path))?;
        layout.link(&self.path, blob)?;
        fs::remove_file(&self.path).map_err(Error::io("remove", &self.path))
    }
}

/// Removes what was received of all blobs but those of `keep`; how many bytes that freed.
pub fn forget(layout: &Layout, keep: &[Digest]) -> Result<u64> {
    let freed = size_without(layout, keep)?;
    for path in others(layout, keep)? {
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(freed)
}

/// Bytes of what was received of all blobs but those of `keep`.
pub fn size_without(layout: &Layout, keep: &[Digest]) -> Result<u64> {
    let size = |path: &PathBuf| fs::symlink_metadata(path).map_or(0, |found| found.len());
    Ok(others(layout, keep)?.iter().map(size).sum())
}

/// The files of all blobs but those of `keep`.
fn others(layout: &Layout, keep: &[Digest]) -> Result<Vec<PathBuf>> {
    let directory = layout.root().join(DIRECTORY);
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("list", &directory))?,
    };
    let mut others = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("list", &directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let digest = name.and_then(|name| Digest::from_hex(name).ok());
        if digest.is_none_or(|digest| !keep.contains(&digest)) {
            others.push(path);
        }
    }
    Ok(others)
}

fn path(layout: &Layout, digest: Digest) -> PathBuf {
    Path::new(layout.root()).join(DIRECTORY).join(digest.hex())
}
