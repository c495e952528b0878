//! `index.json`: which generations a layout has, and what is true of them here only.
//!
//! ```json
//! {"schemaVersion":2,
//!  "mediaType":"application/vnd.oci.image.index.v1+json",
//!  "manifests":[{"mediaType":...,"digest":...,"size":...,
//!                "annotations":{"dev.heirloom.confirmed":"1","dev.heirloom.number":"1"}}],
//!  "annotations":{"dev.heirloom.last-number":"1"}}
//! ```
//!
//! (Broken into lines for reading: the canonical form has no white space.)

use std::collections::BTreeMap;

use digest::Digest;
use serde::{Deserialize, Serialize};

use crate::manifest::{self, Manifest};
use crate::{Error, Result, text};

/// Media type of the index.
pub const MEDIA_TYPE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Of an entry: its number on this medium, decimal, from 1, in order of arrival; never given twice.
pub const ANNOTATION_NUMBER: &str = "dev.heirloom.number";
/// Of the index itself: the highest number ever given, decimal. Its entry may be gone.
pub const ANNOTATION_LAST_NUMBER: &str = "dev.heirloom.last-number";
/// Of an entry: it proved healthy. A decimal serial, from 1, that grows with each confirmation:
/// the highest is what is booted by default, the next highest the one before it.
pub const ANNOTATION_CONFIRMED: &str = "dev.heirloom.confirmed";
/// Of an entry: the owner keeps it. `true`.
pub const ANNOTATION_PINNED: &str = "dev.heirloom.pinned";
/// Of an entry: the commit that it was built from.
pub const ANNOTATION_COMMIT: &str = "dev.heirloom.commit";
/// Of an entry: it was built from more than that commit. `true`.
pub const ANNOTATION_UNCOMMITTED: &str = "dev.heirloom.uncommitted";
/// Of an entry: who built it, `user@host`.
pub const ANNOTATION_BUILT_BY: &str = "dev.heirloom.built-by";
/// Of an entry: when it came here (RFC 3339).
pub const ANNOTATION_STAGED: &str = "dev.heirloom.staged";

/// The longest index that is read, in bytes.
pub(super) const MAX_SIZE: u64 = 1024 * 1024;

/// `index.json`: the generations of a layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// [`MEDIA_TYPE_INDEX`].
    #[serde(default)]
    pub media_type: String,
    /// One entry a generation.
    pub manifests: Vec<Entry>,
    /// What is true of the whole layout.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A generation in an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// [`manifest::MEDIA_TYPE`].
    pub media_type: String,
    /// [`manifest::ARTIFACT_TYPE`] for a generation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The length of the manifest in bytes.
    pub size: u64,
    /// What is true of one build or one server only: outside of what the digest covers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Entry {
    /// The entry of a generation.
    pub fn new(manifest: &Manifest, annotations: BTreeMap<String, String>) -> Self {
        let bytes = manifest.to_bytes();
        Self {
            media_type: manifest::MEDIA_TYPE.to_owned(),
            artifact_type: manifest::ARTIFACT_TYPE.to_owned(),
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
            annotations,
        }
    }
}

impl Index {
    /// An index of these generations, in this order, without annotations of its own.
    pub fn new(manifests: Vec<Entry>) -> Self {
        Self {
            schema_version: 2,
            media_type: MEDIA_TYPE_INDEX.to_owned(),
            manifests,
            annotations: BTreeMap::new(),
        }
    }

    /// The index of a new medium: one generation, number 1 and confirmed. `annotations` are what
    /// else its entry says.
    pub fn first(manifest: &Manifest, mut annotations: BTreeMap<String, String>) -> Self {
        for name in [ANNOTATION_NUMBER, ANNOTATION_CONFIRMED] {
            annotations.insert(name.to_owned(), "1".to_owned());
        }
        let mut index = Self::new(vec![Entry::new(manifest, annotations)]);
        index.annotations.insert(ANNOTATION_LAST_NUMBER.to_owned(), "1".to_owned());
        index
    }

    /// Reads an index. Members that we do not know are allowed, as the specification wants.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let index: Self = text::parse("index", bytes, MAX_SIZE)?;
        if index.schema_version != 2 {
            return Err(Error::invalid("schemaVersion", "is not 2"));
        }
        Ok(index)
    }

    /// The canonical bytes: JSON without white space, members in the order of the fields above,
    /// annotations sorted by name.
    pub fn to_bytes(&self) -> Vec<u8> {
        text::to_bytes(self)
    }
}
