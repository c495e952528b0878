//! A system's archive, read by a reader of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use tar::{Archive, EntryType};

use crate::package::{Entry, Kind};

/// Every path of a system.
pub(super) struct System {
    pub(super) entries: BTreeMap<String, Entry>,
}

impl System {
    pub(super) fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut archive = Archive::new(BufReader::with_capacity(1 << 20, file));
        let mut entries = BTreeMap::new();
        for member in archive.entries().unwrap() {
            let mut member = member.unwrap();
            let path = text(&member.path_bytes());
            let link = member.link_name_bytes().map(|link| text(&link)).unwrap_or_default();
            let header = member.header().clone();
            let kind = match header.entry_type() {
                EntryType::Directory => Kind::Directory,
                EntryType::Symlink => Kind::Symlink(link),
                EntryType::Link => Kind::HardLink(plain(&link)),
                _ => Kind::File(Vec::new()),
            };
            let mut entry = Entry::new(kind, header.mode().unwrap());
            entry.uid = header.uid().unwrap().try_into().unwrap();
            entry.gid = header.gid().unwrap().try_into().unwrap();
            entry.mtime = Some(header.mtime().unwrap().try_into().unwrap());
            if let Some(extensions) = member.pax_extensions().unwrap() {
                for extension in extensions {
                    let extension = extension.unwrap();
                    let key = extension.key().unwrap();
                    if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                        entry.xattrs.insert(name.into(), extension.value_bytes().into());
                    }
                }
            }
            if let Kind::File(bytes) = &mut entry.kind {
                member.read_to_end(bytes).unwrap();
            }
            let path = plain(&path);
            if !path.is_empty() {
                entries.insert(path, entry);
            }
        }
        Self { entries }
    }
}

fn plain(path: &str) -> String {
    path.trim_start_matches("./").trim_end_matches('/').to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("a path in UTF-8")
}
