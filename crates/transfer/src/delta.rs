//! Blobs in pieces, each compressed by itself, with bytes that the other end has as a prefix.
//!
//! A piece is one zstd frame (RFC 8878) of [`CHUNK`] bytes of the blob, the last one of less. Its
//! prefix (zstd's `refPrefix`, what `zstd --patch-from` does) is a [`Region`] of another blob, at
//! most [`PREFIX`] bytes: so the server needs memory for a region, a piece and a frame, and no
//! window, however long the blobs are. Which region is for the sender to choose: the one in which
//! most of the piece's bytes are found again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use digest::Digest;
use generation::Descriptor;
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

use crate::landmark::Landmarks;
use crate::message::{Chunk, Region};
use crate::{Error, Result};

/// The most bytes of a blob in a piece. A transfer that is cut off loses less than one.
pub const CHUNK: usize = 8 << 20;

/// The longest region, in bytes.
pub const PREFIX: usize = 32 << 20;

/// The longest frame, in bytes: a piece of noise grows by 1 in 256 (ZSTD_COMPRESSBOUND).
pub const MAX_ENCODED: usize = CHUNK + CHUNK / 128;

/// Bytes around the landmarks of a region that belong to it: the nearest landmark can be so far
/// from where equal bytes begin or end.
const MARGIN: u64 = 64 << 10;

/// Levels of compression, for bytes that are compressed already and for what differs.
const PLAIN: i32 = 3;
const DELTA: i32 = 9;

/// Decodes a frame to exactly `size` bytes.
///
/// # Errors
/// When the frame is damaged, decodes to another length, or `size` is more than [`CHUNK`].
pub fn decode(frame: &[u8], size: usize, prefix: &[u8]) -> Result<Vec<u8>> {
    if size > CHUNK {
        return Err(Error::protocol(format!("a piece of {size} bytes")));
    }
    let mut context = DCtx::create();
    context.ref_prefix(prefix).map_err(zstd_error("decompress"))?;
    let mut bytes = Vec::with_capacity(size);
    context.decompress(&mut bytes, frame).map_err(zstd_error("decompress"))?;
    if bytes.len() == size {
        Ok(bytes)
    } else {
        Err(Error::protocol(format!("a piece of {} bytes, not of {size}", bytes.len())))
    }
}

fn encode(bytes: &[u8], prefix: Option<&[u8]>) -> Result<Vec<u8>> {
    let failed = zstd_error("compress");
    let mut context = CCtx::create();
    let mut set = |parameter| context.set_parameter(parameter).map(drop).map_err(failed);
    match prefix {
        None => set(CParameter::CompressionLevel(PLAIN))?,
        Some(prefix) => {
            set(CParameter::CompressionLevel(DELTA))?;
            set(CParameter::EnableLongDistanceMatching(true))?;
            set(CParameter::WindowLog(window_log(prefix.len() + bytes.len())))?;
            context.ref_prefix(prefix).map_err(failed)?;
        }
    }
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    context.compress2(&mut frame, bytes).map_err(failed)?;
    Ok(frame)
}

/// The window that reaches back over `bytes` bytes.
fn window_log(bytes: usize) -> u32 {
    bytes.next_power_of_two().trailing_zeros().clamp(17, 27)
}

fn zstd_error(action: &'static str) -> impl Fn(zstd_safe::ErrorCode) -> Error + Copy {
    move |code| Error::Zstd { action, why: zstd_safe::get_error_name(code) }
}

/// A blob that both ends have, as the sender sees it.
#[derive(Debug)]
struct BaseFile {
    digest: Digest,
    size: u64,
    path: PathBuf,
    file: File,
    /// Only of a base that is longer than a region can be.
    landmarks: Option<Landmarks>,
}

impl BaseFile {
    fn open(digest: Digest, path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let size = file.metadata().map_err(Error::io("read", path))?.len();
        let landmarks = if size > PREFIX as u64 {
            Some(Landmarks::of(&file).map_err(Error::io("read", path))?)
        } else {
            None
        };
        Ok(Self { digest, size, path: path.to_owned(), file, landmarks })
    }

    /// The best region for `bytes`; none when nothing of them is in the base.
    fn region(&self, bytes: &[u8]) -> Option<Region> {
        let (first, end) = match &self.landmarks {
            None => (0, self.size),
            Some(landmarks) => {
                let (first, end) = landmarks.region(bytes, PREFIX as u64 - 2 * MARGIN)?;
                (first.saturating_sub(MARGIN), (end + MARGIN).min(self.size))
            }
        };
        let size = usize::try_from(end - first).ok()?;
        Some(Region { digest: self.digest, offset: first, size })
    }
}

/// Reads the region of a blob that lies at `path`.
pub(crate) fn read_region(file: &File, path: &Path, region: &Region) -> Result<Vec<u8>> {
    read_at(file, path, region.offset, region.size)
}

fn read_at(file: &File, path: &Path, offset: u64, size: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, offset).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => Error::Short(path.to_owned()),
        _ => Error::io("read", path)(source),
    })?;
    Ok(bytes)
}

/// Encodes a blob from some offset on, piece by piece.
#[derive(Debug)]
pub struct Encoder {
    path: PathBuf,
    file: File,
    at: u64,
    end: u64,
    base: Option<BaseFile>,
}

impl Encoder {
    /// Of the blob in the file `path`, what follows its first `offset` bytes. `base` is a blob
    /// that the other end has: its digest, and where it lies here.
    pub fn new(
        path: &Path,
        blob: &Descriptor,
        offset: u64,
        base: Option<(Digest, &Path)>,
    ) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let base = base.map(|(digest, path)| BaseFile::open(digest, path)).transpose()?;
        Ok(Self { path: path.to_owned(), file, at: offset, end: blob.size, base })
    }

    /// The next piece, in its shortest form: header and frame.
    pub fn piece(&mut self) -> Result<Option<(Chunk, Vec<u8>)>> {
        let left = self.end.saturating_sub(self.at);
        let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        if size == 0 {
            return Ok(None);
        }
        let bytes = read_at(&self.file, &self.path, self.at, size)?;
        self.at += size as u64;
        let mut best = None;
        if let Some(base) = &self.base {
            if let Some(region) = base.region(&bytes) {
                let prefix = read_region(&base.file, &base.path, &region)?;
                best = Some((encode(&bytes, Some(&prefix))?, Some(region)));
            }
        }
        // A piece that was found again cannot be much shorter without.
        if best.as_ref().is_none_or(|(frame, _)| frame.len() > size / 16) {
            let plain = encode(&bytes, None)?;
            if best.as_ref().is_none_or(|(frame, _)| plain.len() < frame.len()) {
                best = Some((plain, None));
            }
        }
        Ok(best.map(|(frame, base)| (Chunk { size, encoded: frame.len(), base }, frame)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_with_its_prefix_and_only_with_it() {
        let base: Vec<u8> =
            (0..200_000u32).flat_map(|n| n.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
        let mut bytes = base[1000..300_000].to_vec();
        bytes[5000] ^= 1;
        let frame = encode(&bytes, Some(&base)).unwrap();
        assert!(frame.len() < 200, "{}", frame.len());
        assert_eq!(decode(&frame, bytes.len(), &base).unwrap(), bytes);
        assert!(decode(&frame, bytes.len(), &[]).map_or(true, |other| other != bytes));
    }

    #[test]
    fn a_frame_decodes_to_what_was_announced_or_to_nothing() {
        let bytes = vec![7; 100_000];
        let frame = encode(&bytes, None).unwrap();
        assert!(decode(&frame, bytes.len() - 1, &[]).is_err());
        assert!(decode(&frame, bytes.len() + 1, &[]).is_err());
        assert!(decode(&frame[1..], bytes.len(), &[]).is_err());
        assert!(decode(&frame, CHUNK + 1, &[]).is_err());
    }

    #[test]
    fn noise_fits_the_longest_frame() {
        assert!(zstd_safe::compress_bound(CHUNK) <= MAX_ENCODED);
    }
}
