//! Writes the canonical form.

use std::io::{self, Read, Write};

use super::header::{Header, Kind};

const BLOCK: usize = 512;
/// The largest number that an octal field of 11 digits holds: 8 GiB - 1.
const LARGEST_OCTAL: u64 = 0o77_777_777_777;
/// The largest id that an octal field of 7 digits holds.
const LARGEST_ID: u32 = 0o7_777_777;

/// Writes a canonical archive: the caller gives the paths in their order.
pub struct Writer<W: Write> {
    inner: W,
    last: Option<Vec<u8>>,
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    pub fn new(inner: W) -> Self {
        Self { inner, last: None }
    }

    /// Writes a path and its content, of which there must be exactly [`Header::size`] bytes. A
    /// path that is not greater than the one before is an error.
    pub fn append(&mut self, header: &Header, content: &mut dyn Read) -> io::Result<()> {
        if self.last.as_ref().is_some_and(|last| *last >= header.path) {
            let message = format!("{} does not come in order", header.shown());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let extended = extended(header);
        if !extended.is_empty() {
            let size = extended.len() as u64;
            let name = b"././@PaxHeader";
            let block = Block { name, kind: b'x', mode: 0o644, size, ..Block::default() };
            self.inner.write_all(&block.bytes())?;
            self.inner.write_all(&extended)?;
            self.pad(size)?;
        }
        self.inner.write_all(&ustar(header))?;
        let size = header.size();
        let copied = io::copy(&mut content.take(size), &mut self.inner)?;
        if copied != size {
            let message = format!("{} has {copied} of {size} bytes", header.shown());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.pad(size)?;
        self.last = Some(header.path.clone());
        Ok(())
    }

    /// Ends the archive and gives the writer back, flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let over = (size % BLOCK as u64) as usize;
        if over > 0 {
            self.inner.write_all(&[0; BLOCK][over..])?;
        }
        Ok(())
    }
}

/// The path as it stands in the archive.
fn name(header: &Header) -> Vec<u8> {
    match (&header.kind, header.path.is_empty()) {
        (_, true) => b"./".to_vec(),
        (Kind::Directory, false) => [&header.path, &b"/"[..]].concat(),
        (_, false) => header.path.clone(),
    }
}

fn link(header: &Header) -> &[u8] {
    match &header.kind {
        Kind::Symlink(target) | Kind::HardLink(target) => target,
        Kind::Directory | Kind::File(_) => b"",
    }
}

fn ustar(header: &Header) -> [u8; BLOCK] {
    let kind = match header.kind {
        Kind::File(_) => b'0',
        Kind::HardLink(_) => b'1',
        Kind::Symlink(_) => b'2',
        Kind::Directory => b'5',
    };
    let size = if header.size() > LARGEST_OCTAL { 0 } else { header.size() };
    let mtime = u64::try_from(header.mtime).unwrap_or(0).min(LARGEST_OCTAL);
    let id = |id: u32| if id > LARGEST_ID { 0 } else { id };
    let (uid, gid, mode) = (id(header.uid), id(header.gid), header.mode);
    let (name, link) = (&name(header), link(header));
    Block { name, kind, mode, uid, gid, size, mtime, link }.bytes()
}

/// The fields of ustar's block that are not the same for all.
#[derive(Default)]
struct Block<'a> {
    name: &'a [u8],
    kind: u8,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: u64,
    link: &'a [u8],
}

impl Block<'_> {
    fn bytes(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put(&mut block[0..100], self.name);
        octal(&mut block[100..108], u64::from(self.mode));
        octal(&mut block[108..116], u64::from(self.uid));
        octal(&mut block[116..124], u64::from(self.gid));
        octal(&mut block[124..136], self.size);
        octal(&mut block[136..148], self.mtime);
        block[148..156].fill(b' ');
        block[156] = self.kind;
        put(&mut block[157..257], self.link);
        put(&mut block[257..265], b"ustar\x0000");
        octal(&mut block[329..337], 0);
        octal(&mut block[337..345], 0);
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        octal(&mut block[148..155], sum);
        block[155] = b' ';
        block
    }
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// Octal digits over the whole field but for the NUL at its end.
fn octal(field: &mut [u8], mut value: u64) {
    let digits = field.len() - 1;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
    field[digits] = 0;
}

/// The PAX records for what ustar cannot say: sorted by key, then the attributes, sorted by name.
fn extended(header: &Header) -> Vec<u8> {
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    let mut number = |key: &str, value: i128| {
        records.push((key.to_owned(), value.to_string().into_bytes()));
    };
    if header.uid > LARGEST_ID {
        number("uid", header.uid.into());
    }
    if header.gid > LARGEST_ID {
        number("gid", header.gid.into());
    }
    if header.size() > LARGEST_OCTAL {
        number("size", header.size().into());
    }
    if u64::try_from(header.mtime).map_or(true, |mtime| mtime > LARGEST_OCTAL) {
        number("mtime", header.mtime.into());
    }
    let name = name(header);
    if name.len() > 100 {
        records.push(("path".to_owned(), name));
    }
    if link(header).len() > 100 {
        records.push(("linkpath".to_owned(), link(header).to_vec()));
    }
    records.sort();
    // Attributes come last: their values may hold new lines, which some readers stumble over.
    let xattrs = header.xattrs.iter();
    records.extend(xattrs.map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.clone())));
    records.iter().flat_map(|(key, value)| record(key, value)).collect()
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = 1 + key.len() + 1 + value.len() + 1;
    let mut length = rest;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend(value);
    record.push(b'\n');
    record
}
