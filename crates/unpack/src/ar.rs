//! The outer form of a `.deb`: an `ar` archive, as deb(5) and ar(5) have it.

use std::io::{self, Read};

/// What every `ar` archive begins with.
const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Bytes of a member's header.
const HEADER: usize = 60;

/// An `ar` archive that is read once, from front to back. Reading gives the bytes of the member
/// that [`Ar::next_member`] named last.
pub(crate) struct Ar<R> {
    inner: R,
    /// Bytes of the member that were not read yet.
    left: u64,
    /// Whether a byte of padding follows.
    odd: bool,
}

/// A member's name and size.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) size: u64,
}

impl<R: Read> Ar<R> {
    pub(crate) fn new(mut inner: R) -> io::Result<Self> {
        let mut magic = [0; MAGIC.len()];
        inner.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(malformed("this is no ar archive"));
        }
        Ok(Self { inner, left: 0, odd: false })
    }

    /// Skips what is left of the member and reads the next one's header.
    pub(crate) fn next_member(&mut self) -> io::Result<Option<Member>> {
        io::copy(self, &mut io::sink())?;
        if std::mem::take(&mut self.odd) {
            // The padding of the last member is missing from some archives.
            let mut padding = [0; 1];
            if self.inner.read(&mut padding)? == 0 {
                return Ok(None);
            }
        }
        let mut header = [0; HEADER];
        match read_full(&mut self.inner, &mut header)? {
            0 => return Ok(None),
            HEADER => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        if &header[58..] != b"`\n" {
            return Err(malformed("a member's header does not end as ar's do"));
        }
        let name = field(&header[..16])?.trim_end_matches('/').to_owned();
        let size = field(&header[48..58])?;
        let size: u64 = size.parse().map_err(|_| malformed("a member's size is no number"))?;
        self.left = size;
        self.odd = size % 2 == 1;
        Ok(Some(Member { name, size }))
    }
}

impl<R: Read> Read for Ar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.inner.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn field(bytes: &[u8]) -> io::Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("a member's header is no text"))?;
    Ok(text.trim_end_matches(' '))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
