//! The kernels of a tree that is being made.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::Error;

/// The versions of the tree's kernels, sorted.
pub(crate) fn kernels(tree: &Path) -> Result<Vec<String>, Error> {
    let path = tree.join("usr/lib/modules");
    let read = |source| Error::Read { path: path.clone(), source };
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        result => result.map_err(read)?,
    };
    let names: io::Result<Vec<String>> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect();
    let mut names = names.map_err(read)?;
    names.sort();
    Ok(names)
}
