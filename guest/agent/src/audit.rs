//! What the next boot will not have: files that were written and are not declared as state. And what
//! nobody uses any more: state that the running generation does not declare.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use generation::State;
use serde::Serialize;

use crate::{Error, Result};

/// What the next boot will not have, and what nobody uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Paths on the server that would be lost, sorted.
    pub lost: Vec<Lost>,
    /// Places below /state that the running generation does not use, sorted.
    pub unused: Vec<String>,
}

/// A path that would be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The path.
    pub path: PathBuf,
    /// What would be lost.
    pub what: What,
    /// Bytes of a file.
    pub size: u64,
}

/// What would be lost of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It was written or changed.
    Written,
    /// It was removed: it comes back.
    Removed,
}

/// Compares. `upper` is the upper directory of the overlay that is the root, `state` the directory
/// that has the state's entries, `declared` the running generation's.
pub fn audit(upper: &Path, state: &Path, declared: &[State]) -> Result<Audit> {
    let mut lost = Vec::new();
    walk(upper, Path::new("/"), &mut lost)?;
    lost.sort_by(|a, b| a.path.cmp(&b.path));
    let mut names = BTreeSet::new();
    entries(state, Path::new(""), declared, &mut names)?;
    Ok(Audit { lost, unused: names.into_iter().collect() })
}

/// Lists what `directory` of the upper layer has, which is `path` on the server. Directories that
/// were only gone through count for what is in them.
fn walk(directory: &Path, path: &Path, lost: &mut Vec<Lost>) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let entry = entry.map_err(Error::io("list", directory))?;
        let (inner, path) = (entry.path(), path.join(entry.file_name()));
        // It was removed while we were looking.
        let Ok(found) = fs::symlink_metadata(&inner) else { continue };
        if found.is_dir() {
            walk(&inner, &path, lost)?;
        } else {
            let what = if is_whiteout(&found) { What::Removed } else { What::Written };
            lost.push(Lost { path, what, size: if found.is_file() { found.len() } else { 0 } });
        }
    }
    Ok(())
}

/// What the overlay puts in the place of a removed file: a character device 0:0
/// (Documentation/filesystems/overlayfs.rst).
fn is_whiteout(found: &Metadata) -> bool {
    found.file_type().is_char_device() && found.rdev() == 0
}

/// Adds the places below `directory`, which is `place` below /state, that nothing declared lies at
/// or below.
fn entries(
    directory: &Path,
    place: &Path,
    declared: &[State],
    unused: &mut BTreeSet<String>,
) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let entry = entry.map_err(Error::io("list", directory))?;
        let place = place.join(entry.file_name());
        if declared.iter().any(|state| Path::new(&state.at) == place) {
            continue;
        }
        if declared.iter().any(|state| Path::new(&state.at).starts_with(&place)) {
            entries(&entry.path(), &place, declared, unused)?;
        } else {
            unused.insert(place.display().to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_lost_and_what_is_not_declared_is_unused() {
        let upper = tempfile::tempdir().unwrap();
        fs::create_dir_all(upper.path().join("etc/empty")).unwrap();
        fs::write(upper.path().join("etc/undeclared"), "12345").unwrap();
        std::os::unix::fs::symlink("nowhere", upper.path().join("etc/link")).unwrap();
        let state = tempfile::tempdir().unwrap();
        for directory in ["mail", "old", "web/html", "web/old"] {
            fs::create_dir_all(state.path().join(directory)).unwrap();
        }
        let declared = [("/var/mail", "mail"), ("/srv/html", "web/html")]
            .map(|(path, at)| State { path: path.into(), at: at.into() });
        let audit = audit(upper.path(), state.path(), &declared).unwrap();
        let lost: Vec<_> =
            audit.lost.iter().map(|it| (it.path.to_str().unwrap(), it.size)).collect();
        assert_eq!(lost, [("/etc/link", 0), ("/etc/undeclared", 5)]);
        assert_eq!(audit.unused, ["old", "web/old"]);
    }
}
