//! The dm-verity hash tree of a layer (format: [`generation::verity`]).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use digest::{Digest, Hasher};
use generation::Verity;
use generation::verity::{BLOCK, HASHES_PER_BLOCK};

use crate::{Error, Result};

/// Bytes of data under one block of leaves; also what is read at once.
const SPAN: u64 = BLOCK * HASHES_PER_BLOCK;

/// A filesystem with its hash tree: a layer blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The digest of the whole blob.
    pub digest: Digest,
    /// How the kernel checks it; its length follows.
    pub verity: Verity,
}

/// Makes a layer blob of the filesystem in `path`, in place: pads it with zeros to whole blocks
/// and appends its hash tree.
pub fn seal(path: &Path) -> Result<Sealed> {
    let file =
        OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))?;
    seal_file(&file).map_err(Error::io("append the hash tree to", path))
}

fn seal_file(file: &File) -> io::Result<Sealed> {
    // A tree over one block has no levels, which nobody needs to support: no layer is so small.
    let data_blocks = file.metadata()?.len().div_ceil(BLOCK).max(2);
    let data_size = data_blocks * BLOCK;
    file.set_len(data_size)?;

    let salt = Verity::zero_salt();
    // The blob's digest has to see the bytes in order, the leaves do not depend on it: one thread
    // each, and the second reader finds the page cache warm.
    let (hasher, leaves) = thread::scope(|scope| {
        let leaves = scope.spawn(|| leaves(file, data_size, salt));
        let hasher = hash_range(file, data_size);
        let leaves = leaves.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<_, io::Error>((hasher?, leaves?))
    })?;

    let (root, levels) = tree(leaves, salt);
    let mut hasher = hasher;
    let mut offset = data_size;
    for level in levels.iter().rev() {
        file.write_all_at(level, offset)?;
        hasher.update(level);
        offset += level.len() as u64;
    }
    Ok(Sealed { digest: hasher.finish(), verity: Verity { root, salt, data_blocks } })
}

/// The hash of all data, still open.
fn hash_range(file: &File, size: u64) -> io::Result<Hasher> {
    let mut hasher = Hasher::new();
    for_each_span(file, size, |span| hasher.update(span))?;
    Ok(hasher)
}

/// The lowest level: the hashes of all data blocks.
fn leaves(file: &File, size: u64, salt: Digest) -> io::Result<Vec<u8>> {
    let mut level = Vec::new();
    for_each_span(file, size, |span| level.extend(hash_blocks(span, salt)))?;
    Ok(level)
}

fn for_each_span(file: &File, size: u64, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; SPAN as usize];
    let mut offset = 0;
    while offset < size {
        let length = SPAN.min(size - offset);
        let span = &mut buffer[..length as usize];
        file.read_exact_at(span, offset)?;
        each(span);
        offset += length;
    }
    Ok(())
}

/// The root hash and the levels above `leaves` and itself, lowest first, each padded to whole
/// blocks.
fn tree(leaves: Vec<u8>, salt: Digest) -> (Digest, Vec<Vec<u8>>) {
    let mut levels = vec![pad(leaves)];
    loop {
        let top = &levels[levels.len() - 1];
        let hashes: Vec<u8> = hash_blocks(top, salt).collect();
        if let Ok(root) = <[u8; 32]>::try_from(&hashes[..]) {
            return (Digest::from(root), levels);
        }
        levels.push(pad(hashes));
    }
}

fn hash_blocks(blocks: &[u8], salt: Digest) -> impl Iterator<Item = u8> {
    blocks.chunks_exact(BLOCK as usize).flat_map(move |block| {
        let mut hasher = Hasher::new();
        hasher.update(salt.bytes());
        hasher.update(block);
        *hasher.finish().bytes()
    })
}

fn pad(mut level: Vec<u8>) -> Vec<u8> {
    level.resize(level.len().next_multiple_of(BLOCK as usize), 0);
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(blocks: usize, cut: usize) -> (tempfile::NamedTempFile, Sealed) {
        let data: Vec<u8> =
            (0..blocks).flat_map(|i| (0..4096).map(move |j| ((i * 7 + j) % 251) as u8)).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &data[..data.len() - cut]).unwrap();
        let sealed = seal(file.path()).unwrap();
        (file, sealed)
    }

    /// Root hashes and sums of the blobs from `veritysetup format --no-superblock --hash=sha256
    /// --data-block-size=4096 --hash-block-size=4096 --salt=<64 zeros>`, cryptsetup 2.6.1.
    #[test]
    fn blobs_are_those_of_veritysetup() {
        for (blocks, root, sum) in [
            (
                2,
                "ba89d7cfe4f40890f7ef4f7c9c97ac9699e90fbaf61b0e6787339ab6777383d2",
                "833e73782ed03adc3e0b8c46c7524582cc79cb78e1f5c08837f2f175f2600968",
            ),
            (
                128,
                "afcf23fa9df0d4723b73b0028815bcaaa7d7cac724b9d271465b8fcc336bea1f",
                "f03b371ba316b9631ca2d3e1eddfcffff9453a35f6d639f7433ead6bd7d7c969",
            ),
            (
                129,
                "5f48680f41fdf70fbfa0da61c0f45478e6d7b8ee96a261e6e2fca435a246fff8",
                "e6cb3c87dd5a00937ffb0d26db0c5929072f22961f1ccbfac5a8f9cceb5c6a9a",
            ),
            (
                300,
                "e5b563737d91c2f3e57670213bc8f7d989d88ede7e47e0948e7210d4d319fbd4",
                "211f58c5b68843d87162c161c9618ded0f0b34688704e1fa744457a1c233ca19",
            ),
        ] {
            let (file, sealed) = blob(blocks, 0);
            assert_eq!(sealed.verity.root.hex(), root, "{blocks} blocks");
            assert_eq!(sealed.digest.hex(), sum, "{blocks} blocks");
            let bytes = std::fs::read(file.path()).unwrap();
            assert_eq!(Digest::of(&bytes), sealed.digest);
            assert_eq!(bytes.len() as u64, sealed.verity.blob_size());
        }
    }

    #[test]
    fn a_filesystem_is_padded_with_zeros() {
        let (file, sealed) = blob(3, 100);
        assert_eq!(sealed.verity.data_blocks, 3);
        assert!(
            std::fs::read(file.path()).unwrap()[3 * 4096 - 100..3 * 4096].iter().all(|b| *b == 0)
        );
        let (_, tiny) = blob(1, 4000);
        assert_eq!(tiny.verity.data_blocks, 2);
    }
}
