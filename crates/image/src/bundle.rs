//! A generation and where its blobs lie: what every format is made of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use generation::cmdline::{Boot, Data};
use generation::{Config, Descriptor, Index, LayerFormat, Layout, Manifest};

use crate::Result;
use crate::verity::Sealed;

/// A blob in a file.
#[derive(Clone, Debug)]
pub struct Blob {
    /// What it is.
    pub descriptor: Descriptor,
    /// The file.
    pub path: PathBuf,
}

impl Blob {
    /// A blob that is described already.
    pub fn new(descriptor: Descriptor, path: impl Into<PathBuf>) -> Self {
        Self { descriptor, path: path.into() }
    }

    /// A filesystem layer.
    pub fn layer(format: LayerFormat, sealed: &Sealed, path: impl Into<PathBuf>) -> Self {
        Self::new(Descriptor::filesystem(format, sealed.digest, &sealed.verity), path)
    }
}

/// A generation with its blobs.
#[derive(Clone, Debug)]
pub struct Bundle {
    manifest: Manifest,
    config: Config,
    /// The files of the manifest's layers, in their order.
    files: Vec<PathBuf>,
    annotations: BTreeMap<String, String>,
}

impl Bundle {
    /// A generation of these parts; `filesystems` from the lowest (packages) to the highest
    /// (config).
    ///
    /// # Errors
    /// [`crate::Error::Generation`] for a config or blob that no generation has.
    pub fn new(
        config: Config,
        kernel: Blob,
        initramfs: Blob,
        filesystems: Vec<Blob>,
    ) -> Result<Self> {
        config.check()?;
        let mut files = vec![kernel.path, initramfs.path];
        files.extend(filesystems.iter().map(|blob| blob.path.clone()));
        let layers = filesystems.into_iter().map(|blob| blob.descriptor).collect();
        let manifest =
            Manifest::new(config.descriptor(), kernel.descriptor, initramfs.descriptor, layers)?;
        Ok(Self { manifest, config, files, annotations: BTreeMap::new() })
    }

    /// The same generation, with annotations for its entry in an index. They are in the bytes of
    /// a medium, though not in the generation's digest.
    pub fn annotated(mut self, annotations: BTreeMap<String, String>) -> Self {
        self.annotations = annotations;
        self
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its config.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The kernel's file.
    pub fn kernel(&self) -> &Path {
        &self.files[0]
    }

    /// The initramfs's file.
    pub fn initramfs(&self) -> &Path {
        &self.files[1]
    }

    /// The manifest's layers, each with its file.
    pub fn layers(&self) -> impl Iterator<Item = (&Descriptor, &Path)> {
        self.manifest.layers.iter().zip(self.files.iter().map(PathBuf::as_path))
    }

    /// The kernel's command line where the blobs are on `data`.
    pub fn cmdline(&self, data: Data) -> String {
        let generation = self.manifest.digest();
        // The first generation of a medium has nothing to fall back to.
        Boot { generation, data, trial: false }.cmdline(&self.config.cmdline)
    }

    /// Bytes of all blobs, each rounded up to whole blocks of `block` bytes.
    pub fn size(&self, block: u64) -> u64 {
        let documents = self.manifest.to_bytes().len() as u64;
        let blobs = self.manifest.blobs().map(|blob| blob.size.next_multiple_of(block));
        blobs.sum::<u64>() + documents.next_multiple_of(block)
    }

    /// Puts the generation into a layout, as its only one: number 1, confirmed; blobs as hard links
    /// where that is possible.
    pub fn store(&self, layout: &Layout) -> Result<()> {
        layout.insert_documents(&self.manifest, &self.config)?;
        for (blob, file) in self.manifest.layers.iter().zip(&self.files) {
            layout.link(file, blob)?;
        }
        Ok(layout.set_index(&Index::first(&self.manifest, self.annotations.clone()))?)
    }
}
