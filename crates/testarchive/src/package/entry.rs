//! What a package has at one path.

use std::collections::BTreeMap;

/// One path of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits among them.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time in seconds since 1970; when the package was built, if it is not set.
    pub mtime: Option<i64>,
    /// Extended attributes by name, such as `security.capability`.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file with these bytes.
    File(Vec<u8>),
    /// A symbolic link to this text.
    Symlink(String),
    /// Another name of this path, which comes earlier.
    HardLink(String),
}

impl Entry {
    /// Root's, with no extended attributes and no time of its own.
    pub fn new(kind: Kind, mode: u32) -> Self {
        Self { kind, mode, uid: 0, gid: 0, mtime: None, xattrs: BTreeMap::new() }
    }

    /// The content of a file; empty for all else.
    pub fn bytes(&self) -> &[u8] {
        match &self.kind {
            Kind::File(bytes) => bytes,
            _ => &[],
        }
    }
}
