//! The server's root as one tar archive: the package tree with the config layer laid over it, as
//! the server mounts them.
//!
//! The result is in the canonical form of [`rootfs::tarball`], as both inputs are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use rootfs::tarball::{self, Header, Kind, Writer};

use crate::{Error, Result};

/// Counts up when the same inputs give other bytes.
pub const VERSION: u32 = 1;

/// Makes the archive `out` of the trees in the archives `packages` and `config`. The config layer
/// is held in memory.
pub fn build(packages: &Path, config: &Path, out: &Path) -> Result<()> {
    let open = |path| File::open(path).map(BufReader::new).map_err(Error::io("open", path));
    let upper = Upper::read(open(config)?).map_err(Error::io("read", config))?;
    let file = File::create(out).map_err(Error::io("make", out))?;
    let merged = merge(open(packages)?, upper, BufWriter::with_capacity(1 << 20, file));
    merged.and_then(|mut file| file.flush()).map_err(Error::io("write", out))
}

/// The config layer, by path.
struct Upper(BTreeMap<Vec<u8>, (Header, Vec<u8>)>);

impl Upper {
    fn read(reader: impl Read) -> io::Result<Self> {
        let mut members = BTreeMap::new();
        tarball::read(reader, |header, content| -> io::Result<()> {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            members.insert(header.path.clone(), (header, bytes));
            Ok(())
        })?;
        Ok(Self(members))
    }

    /// Whether a path of the lower tree is not to be seen: it is there, or something that is no
    /// directory is in the place of a directory above it.
    fn hides(&self, path: &[u8]) -> bool {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut above = slashes.map(|(index, _)| &path[..index]);
        self.0.contains_key(path)
            || above.any(|folder| {
                self.0.get(folder).is_some_and(|(header, _)| header.kind != Kind::Directory)
            })
    }
}

fn merge<W: Write>(lower: impl Read, upper: Upper, out: W) -> io::Result<W> {
    let mut merge = Merge {
        waiting: upper.0.keys().cloned().collect::<Vec<_>>().into_iter().peekable(),
        upper,
        writer: Writer::new(out),
        hidden: BTreeMap::new(),
    };
    tarball::read(lower, |header, content| merge.lower(header, content))?;
    merge.upper_before(None)?;
    merge.writer.finish()
}

struct Merge<W: Write> {
    upper: Upper,
    /// Paths of the upper tree that are still to be written.
    waiting: std::iter::Peekable<std::vec::IntoIter<Vec<u8>>>,
    writer: Writer<W>,
    /// Files of the lower tree that are not seen under their first name.
    hidden: BTreeMap<Vec<u8>, Hidden>,
}

/// A file without its first name: other names may follow.
enum Hidden {
    /// None was seen yet: the content is needed when one is.
    File(Header, Vec<u8>),
    /// The name that it now has.
    At(Vec<u8>),
}

impl<W: Write> Merge<W> {
    fn lower(&mut self, mut header: Header, content: &mut dyn Read) -> io::Result<()> {
        self.upper_before(Some(&header.path))?;
        if self.upper.hides(&header.path) {
            if let Kind::File(_) = header.kind {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes)?;
                self.hidden.insert(header.path.clone(), Hidden::File(header, bytes));
            }
            return Ok(());
        }
        if let Kind::HardLink(target) = &header.kind
            && let Some(hidden) = self.hidden.get_mut(target)
        {
            let path = header.path.clone();
            match std::mem::replace(hidden, Hidden::At(path.clone())) {
                Hidden::File(file, bytes) => {
                    let file = Header { path, ..file };
                    return self.writer.append(&file, &mut &bytes[..]);
                }
                Hidden::At(name) => {
                    *hidden = Hidden::At(name.clone());
                    header.kind = Kind::HardLink(name);
                }
            }
        }
        self.writer.append(&header, content)
    }

    /// Writes what the upper tree has up to and with `path`.
    fn upper_before(&mut self, path: Option<&[u8]>) -> io::Result<()> {
        while let Some(next) =
            self.waiting.next_if(|next| path.is_none_or(|path| &next[..] <= path))
        {
            if let Some((header, bytes)) = self.upper.0.get(&next) {
                self.writer.append(header, &mut &bytes[..])?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Member = (&'static str, Kind, &'static str);

    fn archive(members: &[Member]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (path, kind, content) in members {
            let header = Header::new(*path, kind.clone(), 0o755, 1);
            writer.append(&header, &mut content.as_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    fn file(path: &'static str, content: &'static str) -> Member {
        (path, Kind::File(content.len() as u64), content)
    }

    fn dir(path: &'static str) -> Member {
        (path, Kind::Directory, "")
    }

    fn link(path: &'static str, to: &'static str) -> Member {
        (path, Kind::HardLink(to.into()), "")
    }

    fn check(lower: &[Member], upper: &[Member], expected: &[Member]) {
        let upper = Upper::read(&archive(upper)[..]).unwrap();
        let merged = merge(&archive(lower)[..], upper, Vec::new()).unwrap();
        let list = |bytes: &[u8]| {
            let mut list = Vec::new();
            tarball::read(bytes, |header, content| -> io::Result<()> {
                let mut text = String::new();
                content.read_to_string(&mut text)?;
                list.push(format!("{} {:?} {text}", header.shown(), header.kind));
                Ok(())
            })
            .unwrap();
            list
        };
        assert_eq!(list(&merged), list(&archive(expected)));
        assert_eq!(merged, archive(expected));
    }

    #[test]
    fn what_is_above_is_seen() {
        check(
            &[dir(""), dir("etc"), file("etc/a", "1"), file("etc/c", "1"), file("z", "1")],
            &[dir(""), dir("etc"), file("etc/b", "2"), file("etc/c", "2"), file("zz", "2")],
            &[
                dir(""),
                dir("etc"),
                file("etc/a", "1"),
                file("etc/b", "2"),
                file("etc/c", "2"),
                file("z", "1"),
                file("zz", "2"),
            ],
        );
    }

    #[test]
    fn a_file_over_a_directory_hides_what_is_in_it() {
        check(
            &[dir(""), dir("a"), file("a-b", "1"), dir("a/b"), file("a/b/c", "1")],
            &[dir(""), file("a", "2")],
            &[dir(""), file("a", "2"), file("a-b", "1")],
        );
    }

    #[test]
    fn a_file_keeps_its_other_names_when_its_first_is_hidden() {
        check(
            &[dir(""), file("a", "1"), link("b", "a"), link("c", "a")],
            &[dir(""), file("a", "2")],
            &[dir(""), file("a", "2"), file("b", "1"), link("c", "b")],
        );
        check(
            &[dir(""), file("a", "1"), link("b", "a"), link("c", "a")],
            &[dir(""), file("b", "2")],
            &[dir(""), file("a", "1"), file("b", "2"), link("c", "a")],
        );
    }
}
