//! dm-verity of a filesystem layer: what the manifest says and what follows from it.
//!
//! A layer blob is `data_blocks` blocks of filesystem followed by the hash tree, without a
//! superblock, in the format of `veritysetup --no-superblock --format=1` (Linux,
//! Documentation/admin-guide/device-mapper/verity.rst): sha256, data and hash blocks of
//! [`BLOCK`] bytes, levels stored from the root (one block) down to the leaves.

use std::collections::BTreeMap;

use digest::Digest;

use crate::{Error, Result};

/// Data block and hash block, in bytes.
pub const BLOCK: u64 = 4096;

/// Hashes in one hash block.
pub const HASHES_PER_BLOCK: u64 = BLOCK / 32;

/// The most data blocks of a layer: 1 TiB, so that no arithmetic on sizes can overflow.
pub const MAX_DATA_BLOCKS: u64 = 1 << 28;

/// The root hash, 64 hexadecimal digits.
pub const ANNOTATION_ROOT: &str = "dev.heirloom.verity.root";
/// The salt, 64 hexadecimal digits.
pub const ANNOTATION_SALT: &str = "dev.heirloom.verity.salt";
/// How many blocks of [`BLOCK`] bytes the filesystem has, decimal.
pub const ANNOTATION_DATA_BLOCKS: &str = "dev.heirloom.verity.data-blocks";

/// The parameters with which the kernel checks a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verity {
    /// The root hash.
    pub root: Digest,
    /// 32 bytes that are hashed before each block, held in a type of that size.
    pub salt: Digest,
    /// Blocks of filesystem before the hash tree.
    pub data_blocks: u64,
}

impl Verity {
    /// The salt of every layer that we make: zeros, so that equal layers have equal blobs. (A salt
    /// hinders precomputed tables, which are no threat to a hash over blocks that are public.)
    pub fn zero_salt() -> Digest {
        Digest::from([0; 32])
    }

    /// Blocks of each level of a hash tree over `data_blocks`, from the leaves to the root.
    pub fn levels(data_blocks: u64) -> Vec<u64> {
        let mut levels = Vec::new();
        let mut blocks = data_blocks;
        while blocks > 1 {
            blocks = blocks.div_ceil(HASHES_PER_BLOCK);
            levels.push(blocks);
        }
        levels
    }

    /// Where the hash tree begins: the length of the padded filesystem, in bytes.
    pub fn hash_offset(&self) -> u64 {
        self.data_blocks * BLOCK
    }

    /// The length of filesystem and hash tree, in bytes.
    pub fn blob_size(&self) -> u64 {
        self.hash_offset() + Self::levels(self.data_blocks).iter().sum::<u64>() * BLOCK
    }

    /// The parameters of the device-mapper target `verity` over a device that holds the whole
    /// blob. `options` are its optional arguments, e.g. `panic_on_corruption`.
    pub fn table(&self, device: &str, options: &[&str]) -> String {
        let (root, salt, blocks) = (self.root.hex(), self.salt.hex(), self.data_blocks);
        let mut table =
            format!("1 {device} {device} {BLOCK} {BLOCK} {blocks} {blocks} sha256 {root} {salt}");
        if !options.is_empty() {
            table += &format!(" {} {}", options.len(), options.join(" "));
        }
        table
    }

    /// The annotations that carry it.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (ANNOTATION_ROOT.to_owned(), self.root.hex()),
            (ANNOTATION_SALT.to_owned(), self.salt.hex()),
            (ANNOTATION_DATA_BLOCKS.to_owned(), self.data_blocks.to_string()),
        ])
    }

    /// Reads the annotations of a layer; `field` names the layer in messages. There must be these
    /// three and no others.
    pub fn from_annotations(field: &str, annotations: &BTreeMap<String, String>) -> Result<Self> {
        let get = |name: &str| {
            annotations
                .get(name)
                .ok_or_else(|| Error::invalid(field, format!("has no annotation `{name}`")))
        };
        let hash = |name: &str| {
            let text = get(name)?;
            Digest::from_hex(text)
                .map_err(|error| Error::invalid(field, format!("{name}: {error}")))
        };
        let (root, salt) = (hash(ANNOTATION_ROOT)?, hash(ANNOTATION_SALT)?);
        let text = get(ANNOTATION_DATA_BLOCKS)?;
        let data_blocks = text
            .parse()
            // One number has one spelling: no sign, no zeros before it.
            .ok()
            .filter(|number: &u64| number.to_string() == *text)
            // One block is its own root: the kernel would be given a tree of no levels.
            .filter(|number| (2..=MAX_DATA_BLOCKS).contains(number))
            .ok_or_else(|| {
                let why = format!("{ANNOTATION_DATA_BLOCKS}: `{text}` is not in 2 to 2^28");
                Error::invalid(field, why)
            })?;
        if let Some(name) = annotations.keys().find(|name| {
            ![ANNOTATION_ROOT, ANNOTATION_SALT, ANNOTATION_DATA_BLOCKS].contains(&name.as_str())
        }) {
            return Err(Error::invalid(field, format!("has an unknown annotation `{name}`")));
        }
        Ok(Self { root, salt, data_blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verity(data_blocks: u64) -> Verity {
        Verity { root: Digest::of("root"), salt: Verity::zero_salt(), data_blocks }
    }

    #[test]
    fn levels_go_up_to_one_block() {
        assert_eq!(Verity::levels(2), [1]);
        assert_eq!(Verity::levels(128), [1]);
        assert_eq!(Verity::levels(129), [2, 1]);
        assert_eq!(Verity::levels(128 * 128 + 1), [129, 2, 1]);
        assert_eq!(verity(129).blob_size(), (129 + 3) * 4096);
    }

    #[test]
    fn table_is_the_one_that_the_kernel_documents() {
        let zeros = "0".repeat(64);
        let root = Digest::of("root").hex();
        assert_eq!(
            verity(7).table("/dev/loop0", &["panic_on_corruption"]),
            format!(
                "1 /dev/loop0 /dev/loop0 4096 4096 7 7 sha256 {root} {zeros} 1 panic_on_corruption"
            )
        );
        assert!(verity(7).table("/dev/loop0", &[]).ends_with(&zeros));
    }

    #[test]
    fn annotations_are_read_back_and_bad_ones_refused() {
        let good = verity(7).annotations();
        assert_eq!(Verity::from_annotations("layer", &good).unwrap(), verity(7));
        for (name, value) in [
            (ANNOTATION_DATA_BLOCKS, "0"),
            (ANNOTATION_DATA_BLOCKS, "1"),
            (ANNOTATION_DATA_BLOCKS, "+7"),
            (ANNOTATION_DATA_BLOCKS, "07"),
            (ANNOTATION_DATA_BLOCKS, "7 "),
            (ANNOTATION_DATA_BLOCKS, "18446744073709551615"),
            (ANNOTATION_ROOT, "00"),
            (ANNOTATION_SALT, "-"),
            ("dev.heirloom.verity.algorithm", "md5"),
        ] {
            let mut bad = good.clone();
            bad.insert(name.to_owned(), value.to_owned());
            assert!(Verity::from_annotations("layer", &bad).is_err(), "{name}={value}");
        }
        for name in good.keys() {
            let mut bad = good.clone();
            bad.remove(name);
            let error = Verity::from_annotations("layer", &bad).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
