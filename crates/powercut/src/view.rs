//! A part of a state as a file that is read.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use crate::state::State;

/// A part of a state as a file. It cannot be written to; the readers of partition tables and
/// filesystems want something that could.
#[derive(Debug)]
pub(crate) struct View {
    state: State,
    range: Range<u64>,
    at: u64,
    /// So many bytes may still be read: a chain of clusters that bites its own tail has an end.
    left: u64,
}

impl View {
    /// `range` of `state`, of which `most` bytes are read altogether.
    pub(crate) fn new(state: &State, range: Range<u64>, most: u64) -> Self {
        Self { state: state.clone(), range, at: 0, left: most }
    }
}

impl Read for View {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = self.range.start.saturating_add(self.at).min(self.range.end);
        let length = (self.range.end - start).min(buffer.len() as u64);
        self.left = self.left.checked_sub(length).ok_or_else(endless)?;
        let read = self.state.read_at(start, &mut buffer[..length as usize])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for View {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let length = self.range.end - self.range.start;
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

impl Write for View {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn endless() -> io::Error {
    io::Error::other("more is read than there can be")
}
