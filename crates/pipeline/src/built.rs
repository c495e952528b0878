//! What came out, as a person and a program want to know it.

use std::path::PathBuf;

use digest::Digest;
use image::Bundle;
use rootfs::config::Begins;
use rootfs::ids::Renumbering;
use rootfs::secrets::Secret;
use serde::{Deserialize, Serialize};
use stage::Done;

/// A generation that was built.
#[derive(Debug)]
pub struct Built {
    /// The generation with its blobs.
    pub bundle: Bundle,
    /// What it is called.
    pub generation: Digest,
    /// `SOURCE_DATE_EPOCH`, in seconds.
    pub epoch: u64,
    /// Its sizes.
    pub sizes: Sizes,
    /// State that begins with files of the image.
    pub begins: Vec<Begins>,
    /// Every file that was made on the way, in the order of the stages: what `verify` compares.
    pub artefacts: Vec<Artefact>,
    /// The package tree's archive, with the ids that it came with.
    pub tree: PathBuf,
    /// The key of the package tree.
    pub(crate) tree_key: Digest,
    /// The packages of its lock.
    pub packages: Digest,
    /// Secrets that packages' scripts made.
    pub(crate) secrets: Vec<Secret>,
    /// How those ids become the lock's.
    pub(crate) renumbering: Renumbering,
    /// The config layer's archive.
    pub(crate) config: PathBuf,
    /// Results in use.
    pub(crate) _held: Vec<Done>,
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// What people wrote: server, roles and board.
    pub definition: u64,
    /// The package layer.
    pub packages: u64,
    /// The config layer.
    pub config: u64,
    /// Kernel and initramfs.
    pub boot: u64,
}

/// A file that was made on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    /// `package tree`, `disk image`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Artefact {
    pub(crate) fn new(name: &str, path: impl Into<PathBuf>) -> Self {
        Self { name: name.to_owned(), path: path.into() }
    }
}
