//! An image on its way to a disk: read once, hashed, in blocks.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

use digest::{Digest, Hasher};
use image::own::{self, Patch};
use serde::Serialize;

use crate::disk::SECTOR;
use crate::{Error, Result};

/// Bytes that are read and written at a time.
pub(crate) const BLOCK: usize = 1 << 20;

/// What was written, read back and found to be the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Bytes of the image.
    pub bytes: u64,
    /// Its sha256, with the identifiers that it got.
    pub digest: Digest,
    /// Bytes that went over the wire; none where there is no wire.
    pub sent: Option<u64>,
    /// Whole seconds.
    pub seconds: u64,
}

impl Written {
    pub(crate) fn new(copied: Copied, sent: Option<u64>, start: Instant) -> Self {
        let Copied { bytes, digest } = copied;
        Self { bytes, digest, sent, seconds: start.elapsed().as_secs() }
    }
}

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) bytes: u64,
    pub(crate) digest: Digest,
}

/// The length of an image, which is one of whole sectors.
pub(crate) fn length(image: &Path) -> Result<u64> {
    let length = std::fs::metadata(image).map_err(Error::io("read", image))?.len();
    if length == 0 || !length.is_multiple_of(SECTOR) {
        let source = std::io::Error::other(format!("{length} bytes are no whole sectors"));
        return Err(Error::io("write", image)(source));
    }
    Ok(length)
}

/// Hands every block of the file `from` to `write`, with `patches` in it.
pub(crate) fn copy(
    from: &Path,
    patches: &[Patch],
    verb: &str,
    mut write: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Copied> {
    let mut file = File::open(from).map_err(Error::io("open", from))?;
    let bar = progress::bytes(verb, length(from)?);
    let mut hasher = Hasher::new();
    let mut block = vec![0; BLOCK];
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match file.read(&mut block[filled..]).map_err(Error::io("read", from))? {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            return Ok(Copied { bytes: hasher.len(), digest: hasher.finish() });
        }
        own::apply(patches, hasher.len(), &mut block[..filled]);
        hasher.update(&block[..filled]);
        write(&block[..filled])?;
        bar.advance(filled as u64);
    }
}

/// Reads `bytes` bytes and hashes them.
pub(crate) fn read_back(from: &mut impl Read, path: &Path, bytes: u64) -> Result<Copied> {
    let bar = progress::bytes("Reading", bytes);
    let mut hasher = Hasher::new();
    let mut limited = from.take(bytes);
    let mut block = vec![0; BLOCK];
    loop {
        match limited.read(&mut block).map_err(Error::io("read", path))? {
            0 => return Ok(Copied { bytes: hasher.len(), digest: hasher.finish() }),
            read => {
                hasher.write_all(&block[..read]).map_err(Error::io("read", path))?;
                bar.advance(read as u64);
            }
        }
    }
}
