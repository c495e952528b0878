//! A tree's archive, read whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use rootfs::tarball::{self, Header};

/// What is at each path, and the content of files.
pub(crate) type Tree = BTreeMap<String, (Header, Vec<u8>)>;

/// Reads the archive of a tree, without the root itself.
pub(crate) fn read(tar: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    let file = BufReader::with_capacity(1 << 20, File::open(tar)?);
    tarball::read(file, |header, content| -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        tree.insert(String::from_utf8(header.path.clone()).unwrap(), (header, bytes));
        Ok(())
    })?;
    tree.remove("");
    Ok(tree)
}
