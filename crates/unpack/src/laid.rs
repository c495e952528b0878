//! What was laid.

use std::path::PathBuf;

use crate::control::Control;

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file of so many bytes.
    File(u64),
    /// Another name of a file of the same package.
    HardLink(PathBuf),
    /// A symbolic link to this text.
    Symlink(PathBuf),
}

/// One member of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Laid {
    /// Where it is, relative to the tree's root, with no link on the way; empty for the root.
    pub place: PathBuf,
    /// How the package names it, as dpkg's `.list` has it: `/bin/sh`, `/.` for the root.
    pub listed: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with set-id and sticky bits as the package has them.
    pub mode: u32,
    /// Numeric owner in the package.
    pub uid: u32,
    /// Numeric group in the package.
    pub gid: u32,
    /// Modification time in seconds since 1970.
    pub mtime: i64,
    /// The md5 of a conffile, or of any file when the package brings no md5sums.
    pub md5: Option<[u8; 16]>,
}

/// One package that was laid into a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its control archive.
    pub control: Control,
    /// Its members, in the package's order. A path that another package took over is not here.
    pub members: Vec<Laid>,
    /// Extended attributes of directories, set by [`crate::Tree::settle`]: place, name, value.
    pub(crate) directory_xattrs: Vec<(PathBuf, String, Vec<u8>)>,
}

impl Package {
    /// A package that has these members.
    pub fn new(control: Control, members: Vec<Laid>) -> Self {
        Self { control, members, directory_xattrs: Vec::new() }
    }
}
