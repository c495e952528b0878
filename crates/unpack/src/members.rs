//! Reads tar archives as streams: ustar and its PAX headers (IEEE 1003.1, pax), and GNU tar's long
//! names (tar.h, "Basic Tar Format" of its manual).
//!
//! What is read is data from strangers: every number and name is checked, nothing is allocated for
//! a size that was only claimed, and an archive without its end is an error. Values of PAX records
//! may hold any byte, new lines among them, as capabilities do.

use std::io::{self, Read, Seek, SeekFrom};

const BLOCK: usize = 512;
/// No extended header or long name is larger: an attribute has at most 64 KiB, a path 4 KiB.
const LARGEST_EXTENSION: u64 = 4 << 20;

/// A member of a tar archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name, just as the archive has it.
    pub path: Vec<u8>,
    /// What a link leads to; empty for others.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Bytes of content that follow.
    pub size: u64,
    /// Bytes of content that the header states. Only files have content, whatever is stated; but
    /// not all readers agree on that.
    pub stated_size: u64,
    /// Permission bits, set-id and sticky bits among them.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time in whole seconds since 1970.
    pub mtime: i64,
    /// Extended attributes, from `SCHILY.xattr.` records: name and value.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// Another name of an earlier member.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// Something that packages and trees do not have, by its name.
    Special(&'static str),
}

/// A tar archive that is read from front to back. Reading gives the content of the member that
/// was named last.
pub struct Members<R> {
    reader: R,
    /// Bytes of content that were not read yet.
    left: u64,
    /// Bytes of padding that follow the content.
    padding: u64,
    ended: bool,
}

/// What came before a header and belongs to it.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<i64>,
    xattrs: Vec<(String, Vec<u8>)>,
    sparse: bool,
    /// Whether there was a PAX header.
    pax: bool,
}

impl<R: Read> Members<R> {
    /// Begins to read.
    pub fn new(reader: R) -> Self {
        Self { reader, left: 0, padding: 0, ended: false }
    }

    /// The next member, or `None` at the archive's end.
    ///
    /// # Errors
    /// When reading fails, or what is read is no tar archive.
    pub fn next_member(&mut self) -> io::Result<Option<Member>> {
        self.next_by(|reader, bytes| {
            let skipped = io::copy(&mut reader.take(bytes), &mut io::sink())?;
            if skipped < bytes { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
        })
    }

    /// What follows the archive.
    pub fn into_inner(self) -> R {
        self.reader
    }

    fn next_by(
        &mut self,
        skip: impl Fn(&mut R, u64) -> io::Result<()>,
    ) -> io::Result<Option<Member>> {
        let mut extensions = Extensions::default();
        loop {
            if self.ended {
                return Ok(None);
            }
            let rest = std::mem::take(&mut self.left) + std::mem::take(&mut self.padding);
            if rest > 0 {
                skip(&mut self.reader, rest)?;
            }
            let mut block = [0; BLOCK];
            self.reader.read_exact(&mut block)?;
            if block == [0; BLOCK] {
                self.ended = true;
                return Ok(None);
            }
            check_sum(&block)?;
            match block[156] {
                b'x' => extensions.header(&self.extension(&block)?)?,
                b'g' => _ = self.extension(&block)?,
                b'L' => once(&mut extensions.path, without_nul(self.extension(&block)?))?,
                b'K' => once(&mut extensions.link, without_nul(self.extension(&block)?))?,
                _ => {
                    let member = member(&block, extensions)?;
                    self.expect(member.size);
                    return Ok(Some(member));
                }
            }
        }
    }

    fn expect(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn extension(&mut self, block: &[u8; BLOCK]) -> io::Result<Vec<u8>> {
        let size = number(&block[124..136], "size")?;
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        if size > LARGEST_EXTENSION {
            return Err(malformed("an extended header is larger than any"));
        }
        self.expect(size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl<R: Read + Seek> Members<R> {
    /// As [`Members::next_member`], but content that was not read is not read now either.
    ///
    /// # Errors
    /// As there.
    pub fn next_member_by_seeking(&mut self) -> io::Result<Option<Member>> {
        self.next_by(|reader, bytes| {
            let bytes = i64::try_from(bytes).map_err(|_| malformed("a size is impossible"))?;
            reader.seek(SeekFrom::Current(bytes)).map(drop)
        })
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.reader.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

impl Extensions {
    /// Reads a PAX header, of which a member has one.
    fn header(&mut self, bytes: &[u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.pax, true) {
            return Err(malformed(TWICE));
        }
        self.records(bytes)
    }

    /// Reads the records of a PAX header: `LENGTH KEY=VALUE\n`, the length counting itself.
    fn records(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let wrong = || malformed("a record of an extended header is broken");
        while !bytes.is_empty() {
            let blank = bytes.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length: usize = text(&bytes[..blank])?.parse().map_err(|_| wrong())?;
            if length > bytes.len() || length <= blank + 1 {
                return Err(wrong());
            }
            let (record, rest) = bytes.split_at(length);
            let record = record[blank + 1..].strip_suffix(b"\n").ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            self.record(text(&record[..equals])?, &record[equals + 1..])?;
            bytes = rest;
        }
        Ok(())
    }

    fn record(&mut self, key: &str, value: &[u8]) -> io::Result<()> {
        if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
            self.xattrs.push((name.to_owned(), value.to_vec()));
            return Ok(());
        }
        if value.is_empty() {
            return Ok(());
        }
        match key {
            "path" => once(&mut self.path, value.to_vec())?,
            "linkpath" => once(&mut self.link, value.to_vec())?,
            "size" => once(&mut self.size, decimal(value)?)?,
            "uid" => self.uid = Some(decimal(value)?),
            "gid" => self.gid = Some(decimal(value)?),
            "mtime" => {
                // A fraction of a second may follow; a time before 1970 is rounded towards it.
                let whole = value.split(|byte| *byte == b'.').next().unwrap_or_default();
                self.mtime = Some(decimal(whole)?);
            }
            _ if key.starts_with("GNU.sparse.") => self.sparse = true,
            _ => {}
        }
        Ok(())
    }
}

/// What no writer does and what readers differ on: which of the two counts.
const TWICE: &str = "something is said twice of one member";

fn once<T>(slot: &mut Option<T>, value: T) -> io::Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed(TWICE)),
    }
}

fn member(block: &[u8; BLOCK], extensions: Extensions) -> io::Result<Member> {
    let name = match extensions.path {
        Some(path) => path,
        None => name(block),
    };
    let kind = match block[156] {
        _ if extensions.sparse => MemberKind::Special("sparse file"),
        // Before POSIX, a slash at the end was all that marked a directory.
        b'0' | 0 | b'7' if name.ends_with(b"/") => MemberKind::Directory,
        b'0' | 0 | b'7' => MemberKind::File,
        b'1' => MemberKind::HardLink,
        b'2' => MemberKind::Symlink,
        b'3' | b'4' => MemberKind::Special("device node"),
        b'5' => MemberKind::Directory,
        b'6' => MemberKind::Special("fifo"),
        b'S' => MemberKind::Special("sparse file"),
        _ => MemberKind::Special("thing of unknown kind"),
    };
    let stated_size = match extensions.size {
        Some(size) => size,
        None => u64::try_from(number(&block[124..136], "size")?)
            .map_err(|_| malformed("a size is negative"))?,
    };
    let size = match kind {
        MemberKind::File | MemberKind::Special(_) => stated_size,
        // Some writers give a hard link the size of its file; no content follows.
        _ => 0,
    };
    let link = match kind {
        MemberKind::HardLink | MemberKind::Symlink => {
            extensions.link.unwrap_or_else(|| without_nul(block[157..257].to_vec()))
        }
        _ => Vec::new(),
    };
    let id = |known: Option<u32>, field: &[u8], name| match known {
        Some(id) => Ok(id),
        None => u32::try_from(number(field, name)?).map_err(|_| malformed("an id is impossible")),
    };
    Ok(Member {
        path: name,
        link,
        kind,
        size,
        stated_size,
        mode: (number(&block[100..108], "mode")? & 0o7777) as u32,
        uid: id(extensions.uid, &block[108..116], "uid")?,
        gid: id(extensions.gid, &block[116..124], "gid")?,
        mtime: match extensions.mtime {
            Some(mtime) => mtime,
            None => number(&block[136..148], "mtime")?,
        },
        xattrs: extensions.xattrs,
    })
}

/// The name in a header, with the prefix that ustar has and GNU tar has not.
fn name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = without_nul(block[..100].to_vec());
    let prefix = without_nul(block[345..500].to_vec());
    if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
        [prefix, name].join(&b'/')
    } else {
        name
    }
}

fn check_sum(block: &[u8; BLOCK]) -> io::Result<()> {
    let recorded = number(&block[148..156], "checksum")?;
    let field = 148..156;
    let sum: i64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if field.contains(&at) { i64::from(b' ') } else { i64::from(*byte) })
        .sum();
    if sum == recorded { Ok(()) } else { Err(malformed("a header's checksum is wrong")) }
}

/// A number of a header: octal digits, or binary where the first bit is set (GNU tar).
fn number(field: &[u8], what: &str) -> io::Result<i64> {
    let wrong = || malformed(&format!("the {what} of a header is no number"));
    if let Some(first) = field.first().filter(|first| **first & 0x80 != 0) {
        // The second bit is the sign.
        let start =
            if first & 0x40 == 0 { i128::from(first & 0x3f) } else { i128::from(*first as i8) };
        let value = field[1..].iter().try_fold(start, |value, byte| {
            value.checked_mul(256).map(|value| value + i128::from(*byte))
        });
        return value.and_then(|value| i64::try_from(value).ok()).ok_or_else(wrong);
    }
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let digits = text(&field[..end])?.trim_matches(' ');
    if digits.is_empty() {
        return Ok(0);
    }
    i64::from_str_radix(digits, 8).map_err(|_| wrong())
}

fn decimal<T: std::str::FromStr>(value: &[u8]) -> io::Result<T> {
    text(value)?.parse().map_err(|_| malformed("a number of an extended header is none"))
}

fn text(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| malformed("a header is no text"))
}

fn without_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
