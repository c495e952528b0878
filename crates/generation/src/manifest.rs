//! The manifest of a generation (OCI image specification v1.1, manifest.md).

use std::collections::BTreeMap;

use digest::Digest;
use serde::{Deserialize, Serialize};

/// Media type of the manifest.
pub const MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// The bytes of a manifest are its serialisation by [`Manifest::to_bytes`]; its digest is the
/// generation's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`MEDIA_TYPE`].
    pub media_type: String,
    /// Tells a generation from other OCI artefacts.
    pub artifact_type: String,
    /// The config blob.
    pub config: Descriptor,
    /// Kernel, initramfs, package layer, config layer: in this order.
    pub layers: Vec<Descriptor>,
}

/// A blob: what it is, what it must hash to, how long it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// `verity.*` of a filesystem layer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}
