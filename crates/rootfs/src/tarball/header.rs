//! What an archive says of one path.

use std::collections::BTreeMap;

/// One path of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The path relative to the root, without a slash at either end; empty for the root.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits among them.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file of so many bytes.
    File(u64),
    /// A symbolic link to this text.
    Symlink(Vec<u8>),
    /// Another name of this path, which came earlier.
    HardLink(Vec<u8>),
}

impl Header {
    /// A path with root's ids and no extended attributes.
    pub fn new(path: impl Into<Vec<u8>>, kind: Kind, mode: u32, mtime: i64) -> Self {
        let path = path.into();
        Self { path, kind, mode, uid: 0, gid: 0, mtime, xattrs: BTreeMap::new() }
    }

    /// The bytes of content that follow the header.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File(size) => size,
            _ => 0,
        }
    }

    /// The path as messages show it.
    pub fn shown(&self) -> String {
        format!("/{}", String::from_utf8_lossy(&self.path))
    }
}
