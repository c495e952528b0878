//! What is where in a package tree, without its content.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::ids::Renumbering;
use crate::tarball::{self, Header, acl};

/// Every path of a tree whose name is UTF-8, relative to the root; the root is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths(BTreeMap<String, Entry>);

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its kind.
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits among them.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes by name: capabilities and access control lists among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// The kind of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file, under whichever of its names.
    File,
    /// A symbolic link to this text.
    Symlink(String),
}

impl Paths {
    /// From the headers of a tree.
    pub fn new<'a>(headers: impl IntoIterator<Item = &'a Header>) -> Self {
        let named = headers.into_iter().filter_map(|header| {
            let path = String::from_utf8(header.path.clone()).ok()?;
            let kind = match &header.kind {
                tarball::Kind::Directory => Kind::Directory,
                tarball::Kind::File(_) | tarball::Kind::HardLink(_) => Kind::File,
                tarball::Kind::Symlink(target) => {
                    Kind::Symlink(String::from_utf8_lossy(target).into_owned())
                }
            };
            let Header { mode, uid, gid, mtime, .. } = *header;
            Some((path, Entry { kind, mode, uid, gid, mtime, xattrs: header.xattrs.clone() }))
        });
        Self(named.collect())
    }

    /// Reads what [`Paths::write`] wrote.
    pub fn read(path: &Path) -> Result<Self, Error> {
        crate::facts::read_json(path)
    }

    /// Writes the paths as JSON, sorted.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        crate::facts::write_json(path, self)
    }

    /// What is at a path, which is relative to the root.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(path)
    }

    /// All paths, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// The same tree with other ids.
    pub fn renumbered(&self, renumbering: &Renumbering) -> Self {
        let renumber = |entry: &Entry| {
            let mut entry = entry.clone();
            entry.uid = renumbering.user(entry.uid);
            entry.gid = renumbering.group(entry.gid);
            // One that is broken is refused with its path where the tree itself is renumbered.
            let _ = acl::renumber(&mut entry.xattrs, renumbering);
            entry
        };
        Self(self.0.iter().map(|(path, entry)| (path.clone(), renumber(entry))).collect())
    }
}
