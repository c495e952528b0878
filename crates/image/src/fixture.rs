//! Tar archives for tests.

use std::io::Write;

use tar::{EntryType, Header};
use tempfile::NamedTempFile;

/// A member to be.
pub(crate) struct Member {
    kind: EntryType,
    path: String,
    content: Vec<u8>,
    link: String,
}

impl Member {
    fn new(kind: EntryType, path: &str, content: &[u8], link: &str) -> Self {
        Self { kind, path: path.into(), content: content.into(), link: link.into() }
    }

    pub(crate) fn dir(path: &str) -> Self {
        Self::new(EntryType::Directory, path, b"", "")
    }

    pub(crate) fn file(path: &str, content: &[u8]) -> Self {
        Self::new(EntryType::Regular, path, content, "")
    }

    pub(crate) fn link(path: &str, to: &str) -> Self {
        Self::new(EntryType::Link, path, b"", to)
    }

    pub(crate) fn symlink(path: &str, to: &str) -> Self {
        Self::new(EntryType::Symlink, path, b"", to)
    }
}

/// An archive of these members, whatever they are: names are not checked.
pub(crate) fn tar(members: &[Member]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&bytes(members)).unwrap();
    file
}

/// The bytes of such an archive.
pub(crate) fn bytes(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        let records = [("path", &member.path), ("linkpath", &member.link)];
        let pax: String = records
            .iter()
            .filter(|(_, value)| value.len() > 99)
            .map(|(key, value)| pax_record(key, value))
            .collect();
        if !pax.is_empty() {
            push(&mut bytes, EntryType::XHeader, "pax", pax.as_bytes(), "");
        }
        push(&mut bytes, member.kind, &member.path, &member.content, &member.link);
    }
    bytes.extend([0; 1024]);
    bytes
}

fn pax_record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length).unwrap();
    format!("{length} {key}={value}\n")
}

fn push(bytes: &mut Vec<u8>, kind: EntryType, path: &str, content: &[u8], link: &str) {
    let mut header = Header::new_ustar();
    let short = |text: &str| text.as_bytes()[..text.len().min(99)].to_owned();
    let (path, link) = (short(path), short(link));
    header.as_mut_bytes()[..path.len()].copy_from_slice(&path);
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(&link);
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header.set_size(content.len() as u64);
    header.set_cksum();
    bytes.extend(header.as_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
}
