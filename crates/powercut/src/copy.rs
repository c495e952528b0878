//! A state as a file of its own, for programs that want one.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::SeekFrom;

use crate::error::{Error, Result};
use crate::state::State;

/// Bytes that are copied at once.
const CHUNK: u64 = 1 << 20;

impl State {
    /// Writes the disk to the file `path`, as a sparse raw image.
    pub fn materialize(&self, path: &Path) -> Result<()> {
        self.materialize_range(0..self.size(), path)
    }

    /// Writes a part of the disk, in bytes, to the file `path`: a partition.
    pub fn materialize_range(&self, range: Range<u64>, path: &Path) -> Result<()> {
        let file = File::create(path).map_err(Error::io("make", path))?;
        let length = range.end.saturating_sub(range.start);
        file.set_len(length).map_err(Error::io("write", path))?;
        self.copy(range, &file).map_err(Error::io("write", path))
    }

    fn copy(&self, range: Range<u64>, file: &File) -> io::Result<()> {
        for (piece, source) in self.pieces(range.clone()) {
            let parts = match source {
                Some(_) => vec![piece],
                // What has a hole in the image has one here.
                None => self.data_of_base(piece)?,
            };
            for part in parts {
                self.copy_part(part, range.start, file)?;
            }
        }
        Ok(())
    }

    fn copy_part(&self, part: Range<u64>, from: u64, file: &File) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK.min(part.end - part.start) as usize];
        let mut at = part.start;
        while at < part.end {
            let length = (part.end - at).min(CHUNK) as usize;
            self.read_at(at, &mut buffer[..length])?;
            file.write_all_at(&buffer[..length], at - from)?;
            at += length as u64;
        }
        Ok(())
    }

    /// The parts of `range` that are no holes of the image.
    fn data_of_base(&self, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
        let base = &self.media.base;
        let end = range.end.min(self.media.base_length);
        let (mut parts, mut at) = (Vec::new(), range.start);
        while at < end {
            let data = match rustix::fs::seek(base, SeekFrom::Data(at)) {
                Ok(data) if data < end => data,
                Ok(_) | Err(rustix::io::Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let hole = rustix::fs::seek(base, SeekFrom::Hole(data))?.min(end);
            parts.push(data..hole);
            at = hole;
        }
        Ok(parts)
    }
}
