//! Writes a config layer.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use digest::Hasher;

use super::plan::{Content, Planned, plan};
use super::{Base, Config, dynamic};
use crate::error::Error;
use crate::paths;
use crate::tarball::{self, Header, Kind, Writer};

/// Writes the config layer as a canonical archive. `tree` is the `tree.tar` of the package tree,
/// which is read when a file of a package gets another owner or mode.
pub fn write<W: Write>(config: &Config, base: &Base<'_>, tree: &Path, to: W) -> Result<W, Error> {
    let mut writer = Writer::new(to);
    let (plan, mounts) = plan(config, base)?;
    dynamic::check(&mounts, &plan, tree)?;
    for (place, planned) in plan {
        one(&mut writer, &place, planned, tree)?;
    }
    Ok(writer.finish()?)
}

fn one<W: Write>(
    writer: &mut Writer<W>,
    place: &str,
    planned: Planned,
    tree: &Path,
) -> Result<(), Error> {
    let entry = planned.entry;
    let mut expected = None;
    let (kind, content): (Kind, Box<dyn io::Read>) = match (entry.kind, planned.content) {
        (paths::Kind::Directory, _) => (Kind::Directory, Box::new(io::empty())),
        (paths::Kind::Symlink(target), _) => {
            (Kind::Symlink(target.into_bytes()), Box::new(io::empty()))
        }
        (paths::Kind::File, Content::File(file, digest)) => {
            let read = |source| Error::Read { path: file.clone(), source };
            let open = File::open(&file).map_err(read)?;
            let metadata = open.metadata().map_err(read)?;
            if !metadata.is_file() {
                return Err(read(io::Error::other("it is no regular file")));
            }
            expected = Some((file, digest));
            (Kind::File(metadata.len()), Box::new(open))
        }
        (paths::Kind::File, Content::Bytes(bytes)) => {
            (Kind::File(bytes.len() as u64), Box::new(io::Cursor::new(bytes)))
        }
        (paths::Kind::File, Content::Tree) => {
            let read = |source| Error::Read { path: tree.to_owned(), source };
            let found = tarball::find(tree, place.as_bytes()).map_err(read)?;
            let (_, bytes) =
                found.ok_or_else(|| read(io::Error::other(format!("/{place} is missing"))))?;
            (Kind::File(bytes.len() as u64), Box::new(io::Cursor::new(bytes)))
        }
        (paths::Kind::File, Content::None) => (Kind::File(0), Box::new(io::empty())),
    };
    let header = Header {
        uid: entry.uid,
        gid: entry.gid,
        xattrs: entry.xattrs,
        ..Header::new(place, kind, entry.mode, entry.mtime)
    };
    let mut content = Hashing { content, hasher: Hasher::new() };
    writer.append(&header, &mut content)?;
    match expected {
        Some((path, digest)) if content.hasher.finish() != digest => {
            let changed = io::Error::other("it changed while it was read; build once more");
            Err(Error::Read { path, source: changed })
        }
        _ => Ok(()),
    }
}

/// Knows what was read.
struct Hashing<R> {
    content: R,
    hasher: Hasher,
}

impl<R: io::Read> io::Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
