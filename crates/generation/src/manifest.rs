//! The manifest of a generation (OCI image specification v1.1, manifest.md).
//!
//! ```json
//! {"schemaVersion":2,
//!  "mediaType":"application/vnd.oci.image.manifest.v1+json",
//!  "artifactType":"application/vnd.heirloom.generation.v1",
//!  "config":{...},
//!  "layers":[{kernel},{initramfs},{filesystem},...]}
//! ```
//!
//! (Broken into lines for reading: the canonical form has no white space.)

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;
use serde::{Deserialize, Serialize};

use crate::verity::Verity;
use crate::{Error, Result, config, text};

/// Media type of the manifest.
pub const MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Tells a generation from other OCI artefacts.
pub const ARTIFACT_TYPE: &str = "application/vnd.heirloom.generation.v1";
/// Media type of the kernel: the file that a bootloader starts.
pub const MEDIA_TYPE_KERNEL: &str = "application/vnd.heirloom.kernel";
/// Media type of the initramfs: a cpio archive in newc format, compressed with zstd.
pub const MEDIA_TYPE_INITRAMFS: &str = "application/vnd.heirloom.initramfs";
/// Media type of a squashfs layer with its hash tree.
pub const MEDIA_TYPE_SQUASHFS: &str = "application/vnd.heirloom.layer.squashfs";
/// Media type of an erofs layer with its hash tree.
pub const MEDIA_TYPE_EROFS: &str = "application/vnd.heirloom.layer.erofs";

/// The longest manifest that is read, in bytes.
pub const MAX_SIZE: u64 = 64 * 1024;
/// The most filesystem layers.
pub const MAX_FILESYSTEMS: usize = 16;

/// The bytes of a manifest are its serialisation by [`Manifest::to_bytes`]; its digest is the
/// generation's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`MEDIA_TYPE`].
    pub media_type: String,
    /// [`ARTIFACT_TYPE`].
    pub artifact_type: String,
    /// The config blob.
    pub config: Descriptor,
    /// Kernel, initramfs, then the filesystems from the lowest (packages) to the highest
    /// (config).
    pub layers: Vec<Descriptor>,
}

/// A blob: what it is, what it must hash to, how long it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// `dev.heirloom.verity.*` of a filesystem layer; nothing elsewhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The filesystem of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerFormat {
    /// squashfs 4.0.
    Squashfs,
    /// erofs.
    Erofs,
}

impl LayerFormat {
    /// The kernel's name of it, as in `/proc/filesystems`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
        }
    }

    /// The media type of its layers.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Squashfs => MEDIA_TYPE_SQUASHFS,
            Self::Erofs => MEDIA_TYPE_EROFS,
        }
    }

    fn from_media_type(media_type: &str) -> Option<Self> {
        [Self::Squashfs, Self::Erofs].into_iter().find(|format| format.media_type() == media_type)
    }
}

/// A filesystem layer, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Which filesystem.
    pub format: LayerFormat,
    /// The blob.
    pub digest: Digest,
    /// Its length in bytes: filesystem and hash tree.
    pub size: u64,
    /// How it is checked.
    pub verity: Verity,
}

impl Descriptor {
    /// A blob of `media_type` with these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A blob without annotations.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, annotations: BTreeMap::new() }
    }

    /// The descriptor of a filesystem layer. Its length follows from `verity`.
    pub fn filesystem(format: LayerFormat, digest: Digest, verity: &Verity) -> Self {
        Self {
            media_type: format.media_type().to_owned(),
            digest,
            size: verity.blob_size(),
            annotations: verity.annotations(),
        }
    }
}

impl Manifest {
    /// A manifest of these blobs; `filesystems` from the lowest to the highest.
    ///
    /// # Errors
    /// What [`Manifest::parse`] would refuse.
    pub fn new(
        config: Descriptor,
        kernel: Descriptor,
        initramfs: Descriptor,
        filesystems: Vec<Descriptor>,
    ) -> Result<Self> {
        let mut layers = vec![kernel, initramfs];
        layers.extend(filesystems);
        let manifest = Self {
            schema_version: 2,
            media_type: MEDIA_TYPE.to_owned(),
            artifact_type: ARTIFACT_TYPE.to_owned(),
            config,
            layers,
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// Reads and checks the bytes of a manifest, which may be anyone's.
    ///
    /// # Errors
    /// Bytes that are not the canonical form of a manifest that [`Manifest::new`] makes: other
    /// fields, media types or orders, a layer twice, sizes that contradict the hash tree.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let manifest: Self = text::parse_canonical("manifest", bytes, MAX_SIZE)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The canonical bytes: JSON without white space, members in the order of the fields above,
    /// annotations sorted by name.
    pub fn to_bytes(&self) -> Vec<u8> {
        text::to_bytes(self)
    }

    /// The generation's name: the digest of the canonical bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_bytes())
    }

    /// The kernel.
    pub fn kernel(&self) -> Result<&Descriptor> {
        self.layer(0, MEDIA_TYPE_KERNEL)
    }

    /// The initramfs.
    pub fn initramfs(&self) -> Result<&Descriptor> {
        self.layer(1, MEDIA_TYPE_INITRAMFS)
    }

    /// The filesystem layers, from the lowest to the highest; at least one.
    pub fn filesystems(&self) -> Result<Vec<Layer>> {
        let layers = self.layers.iter().enumerate().skip(2);
        let filesystems: Vec<_> =
            layers.map(|(index, it)| filesystem(index, it)).collect::<Result<_>>()?;
        match filesystems.len() {
            0 => Err(Error::invalid("layers", "there is no filesystem")),
            1..=MAX_FILESYSTEMS => Ok(filesystems),
            more => {
                let why = format!("{more} filesystems are more than {MAX_FILESYSTEMS}");
                Err(Error::invalid("layers", why))
            }
        }
    }

    /// Every blob that the generation needs, each once: its config and its layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }

    fn layer(&self, index: usize, media_type: &str) -> Result<&Descriptor> {
        let field = format!("layers[{index}]");
        let found = self
            .layers
            .get(index)
            .ok_or_else(|| Error::invalid(&field, format!("is missing: `{media_type}`")))?;
        check_plain(&field, found, media_type)?;
        Ok(found)
    }

    fn check(&self) -> Result<()> {
        if self.schema_version != 2 {
            return Err(Error::invalid("schemaVersion", "is not 2"));
        }
        check_type("mediaType", &self.media_type, MEDIA_TYPE)?;
        check_type("artifactType", &self.artifact_type, ARTIFACT_TYPE)?;
        check_plain("config", &self.config, config::MEDIA_TYPE)?;
        self.kernel()?;
        self.initramfs()?;
        self.filesystems()?;
        let mut seen = BTreeSet::new();
        match self.blobs().find(|blob| !seen.insert(blob.digest)) {
            Some(twice) => {
                Err(Error::invalid("layers", format!("blob {} is there twice", twice.digest)))
            }
            None => Ok(()),
        }
    }
}

fn filesystem(index: usize, layer: &Descriptor) -> Result<Layer> {
    let field = format!("layers[{index}]");
    let Some(format) = LayerFormat::from_media_type(&layer.media_type) else {
        let why = format!("`{}` is no filesystem that we know", layer.media_type.escape_debug());
        return Err(Error::invalid(field, why));
    };
    let verity = Verity::from_annotations(&field, &layer.annotations)?;
    if layer.size != verity.blob_size() {
        let (size, blocks, wanted) = (layer.size, verity.data_blocks, verity.blob_size());
        let why =
            format!("{size} bytes, but {blocks} data blocks and their hash tree are {wanted}");
        return Err(Error::invalid(field, why));
    }
    Ok(Layer { format, digest: layer.digest, size: layer.size, verity })
}

fn check_type(field: &str, found: &str, wanted: &str) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::invalid(field, format!("`{}` is not `{wanted}`", found.escape_debug())))
}

/// A blob of one media type, with bytes and without annotations.
fn check_plain(field: &str, blob: &Descriptor, media_type: &str) -> Result<()> {
    check_type(&format!("{field}.mediaType"), &blob.media_type, media_type)?;
    if blob.size == 0 {
        return Err(Error::invalid(field, "is empty"));
    }
    if let Some(name) = blob.annotations.keys().next() {
        return Err(Error::invalid(field, format!("has an unknown annotation `{name}`")));
    }
    Ok(())
}
