//! Reads archives of trees.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use tar::EntryType;

use super::header::{Header, Kind};

/// The content of a path.
pub type Content<'a> = &'a mut dyn Read;

/// Gives every path of an archive and its content to `each`, in the archive's order.
pub fn read<E: From<io::Error>>(
    reader: impl Read,
    mut each: impl FnMut(Header, Content<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let header = header(&mut entry)?;
        each(header, &mut entry)?;
    }
    Ok(())
}

/// The header and content of one file of the archive at `tar`, found without reading the others;
/// `None` if there is none of that path. A hard link's content is that of its file.
pub fn find(tar: &Path, path: &[u8]) -> io::Result<Option<(Header, Vec<u8>)>> {
    let mut wanted = path.to_vec();
    loop {
        let mut reader = BufReader::new(File::open(tar)?);
        reader.rewind()?;
        let mut archive = tar::Archive::new(reader);
        let mut link = None;
        for entry in archive.entries_with_seek()? {
            let mut entry = entry?;
            let header = header(&mut entry)?;
            if header.path != wanted {
                continue;
            }
            if let Kind::HardLink(target) = &header.kind
                && *target != wanted
            {
                link = Some(target.clone());
                break;
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            return Ok(Some((Header { path: path.to_vec(), ..header }, content)));
        }
        match link {
            Some(target) => wanted = target,
            None => return Ok(None),
        }
    }
}

fn header<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Header> {
    let mut xattrs = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    if let Some(records) = entry.pax_extensions()? {
        for record in records {
            let record = record?;
            let key = record.key().map_err(io::Error::other)?;
            if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                xattrs.insert(name.to_owned(), record.value_bytes().to_vec());
            } else if matches!(key, "uid" | "gid" | "mtime") {
                let value = record.value().map_err(io::Error::other)?;
                let number: i64 = value.parse().map_err(io::Error::other)?;
                numbers.insert(key.to_owned(), number);
            }
        }
    }
    let number = |key: &str, plain: io::Result<u64>| match numbers.get(key) {
        Some(number) => Ok(*number),
        None => plain.and_then(|plain| i64::try_from(plain).map_err(io::Error::other)),
    };
    let id = |key: &str, plain| {
        number(key, plain).and_then(|id| u32::try_from(id).map_err(io::Error::other))
    };
    let path = entry.path_bytes();
    let path = path.strip_prefix(b"./").unwrap_or(&path);
    let path = path.strip_suffix(b"/").unwrap_or(path).to_vec();
    let link = || entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default();
    let kind = match entry.header().entry_type() {
        EntryType::Directory => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File(entry.size()),
        EntryType::Symlink => Kind::Symlink(link()),
        EntryType::Link => Kind::HardLink(link()),
        kind => {
            let shown = String::from_utf8_lossy(&path).into_owned();
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/{shown} is of kind {kind:?}, which no tree has"),
            ));
        }
    };
    let plain = entry.header();
    Ok(Header {
        kind,
        mode: plain.mode()? & 0o7777,
        uid: id("uid", plain.uid())?,
        gid: id("gid", plain.gid())?,
        mtime: number("mtime", plain.mtime())?,
        path,
        xattrs,
    })
}
