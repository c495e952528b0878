//! A disk as a power cut has left it, without a copy of it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use digest::{Digest, Hasher};

use crate::error::{Error, Result};
use crate::extents::{Extents, Piece, Source, layered};
use crate::log::Log;
use crate::plan::Cut;

/// What states are made of: the disk before, and the log.
#[derive(Debug)]
pub(crate) struct Media {
    /// Another one for each.
    id: u64,
    pub(crate) base: File,
    /// Bytes of the image; the disk may be longer, and has zeros there.
    pub(crate) base_length: u64,
    /// Bytes of the disk.
    pub(crate) size: u64,
    pub(crate) log: Log,
}

/// A disk as a power cut has left it.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) media: Arc<Media>,
    /// What was flushed.
    pub(crate) durable: Arc<Extents>,
    /// What had luck.
    pub(crate) kept: Arc<Extents>,
    pub(crate) cut: Cut,
}

impl State {
    /// Which power cut it was.
    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// The size of the disk in bytes.
    pub fn size(&self) -> u64 {
        self.media.size
    }

    /// Fills `buffer` with what stands at byte `offset`, up to the disk's end; how much that was.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.size().saturating_sub(offset).min(buffer.len() as u64);
        for piece in self.pieces(offset..offset + length) {
            let place = (piece.0.start - offset) as usize..(piece.0.end - offset) as usize;
            self.read_piece(&piece, &mut buffer[place])?;
        }
        Ok(length as usize)
    }

    /// The name of what stands in `range`: two states with the same one have the same bytes there.
    /// (Two with the same bytes may have different ones, and those of two replays always have.)
    pub fn fingerprint(&self, range: Range<u64>) -> Digest {
        // However a write was cut into pieces, it is one run.
        let mut runs: Vec<(Range<u64>, Source)> = Vec::new();
        for (range, source) in self.pieces(range) {
            let Some(source) = source else { continue };
            match runs.last_mut() {
                Some((run, from))
                    if run.end == range.start && from.after(range.start - run.start) == source =>
                {
                    run.end = range.end;
                }
                _ => runs.push((range, source)),
            }
        }
        let mut hasher = Hasher::new();
        hasher.update(&self.media.id.to_le_bytes());
        for (run, source) in runs {
            // Nothing stands at the beginning of a log but its head.
            let from = if let Source::Log(at) = source { at } else { 0 };
            for number in [run.start, run.end, from] {
                hasher.update(&number.to_le_bytes());
            }
        }
        hasher.finish()
    }

    /// All of `range`, and where it comes from; from the disk before where no source is given.
    pub(crate) fn pieces(&self, range: Range<u64>) -> Vec<Piece> {
        layered(&self.kept, &self.durable, range)
    }

    pub(crate) fn read_piece(&self, (range, source): &Piece, buffer: &mut [u8]) -> io::Result<()> {
        match source {
            Some(Source::Zeros) => buffer.fill(0),
            Some(Source::Log(at)) => self.media.log.file().read_exact_at(buffer, *at)?,
            None => {
                let there = self.media.base_length.saturating_sub(range.start);
                let there = there.min(buffer.len() as u64) as usize;
                self.media.base.read_exact_at(&mut buffer[..there], range.start)?;
                buffer[there..].fill(0);
            }
        }
        Ok(())
    }
}

/// The next [`Media::id`].
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Media {
    /// `base` is the disk before the first entry of `log`, a raw image; it may be shorter than
    /// `size`, in bytes.
    pub(crate) fn open(base: &Path, size: Option<u64>, log: Log) -> Result<Self> {
        let file = File::open(base).map_err(Error::io("open", base))?;
        let base_length = file.metadata().map_err(Error::io("read", base))?.len();
        let size = size.unwrap_or(base_length).max(base_length);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, base: file, base_length, size, log })
    }
}
