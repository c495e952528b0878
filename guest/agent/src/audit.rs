//! What the next boot will not have: files that were written and are not declared as state. And what
//! nobody uses any more: state that the running generation does not declare.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use generation::State;
use rustix::io::Errno;
use serde::Serialize;

use crate::anew::is_made_anew;
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
    /// Whether it is made anew without anybody's doing, so that nobody misses it.
    pub anew: bool,
}

/// What would be lost of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It was written or changed.
    Written,
    /// It was removed: it comes back.
    Removed,
    /// It is a directory that no layer has, and nothing is in it.
    Directory,
}

/// Compares. `upper` is the upper directory of the overlay that is the root, `state` the directory
/// that has the state's entries, `declared` the running generation's. `is_new` says of a directory
/// of the upper one whether no layer has it.
pub fn audit(
    upper: &Path,
    state: &Path,
    declared: &[State],
    is_new: &dyn Fn(&Path) -> bool,
) -> Result<Audit> {
    let mut lost = Vec::new();
    walk(upper, Path::new("/"), is_new, &mut lost)?;
    lost.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Audit { lost, unused: generation::unused(state, declared)? })
}

/// Lists what `directory` of the upper layer has, which is `path` on the server. Directories that
/// were only gone through count for what is in them.
fn walk(
    directory: &Path,
    path: &Path,
    is_new: &dyn Fn(&Path) -> bool,
    lost: &mut Vec<Lost>,
) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let entry = entry.map_err(Error::io("list", directory))?;
        let (inner, path) = (entry.path(), path.join(entry.file_name()));
        // It was removed while we were looking.
        let Ok(found) = fs::symlink_metadata(&inner) else { continue };
        let mut push = |what, size| {
            // A socket or a pipe has nothing in it that could be kept.
            let kind = found.file_type();
            let anew = is_made_anew(&path, what == What::Directory);
            let anew = anew || kind.is_socket() || kind.is_fifo();
            lost.push(Lost { path: path.clone(), what, size, anew });
        };
        if is_whiteout(&found) {
            push(What::Removed, 0);
        } else if !found.is_dir() {
            push(What::Written, if found.is_file() { found.len() } else { 0 });
        } else if is_new(&inner) && is_empty(&inner)? {
            push(What::Directory, 0);
        } else {
            walk(&inner, &path, is_new, lost)?;
        }
    }
    Ok(())
}

fn is_empty(directory: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(directory).map_err(Error::io("list", directory))?;
    Ok(entries.next().is_none())
}

/// What the overlay puts in the place of a removed file: a character device 0:0
/// (Documentation/filesystems/overlayfs.rst).
fn is_whiteout(found: &Metadata) -> bool {
    found.file_type().is_char_device() && found.rdev() == 0
}

/// Whether no layer has a directory of the overlay's upper one: when it copies one up it notes
/// where that was (fs/overlayfs/copy_up.c, ovl_set_origin).
pub fn is_in_no_layer(directory: &Path) -> bool {
    let origin = rustix::fs::lgetxattr(directory, "trusted.overlay.origin", &mut [0; 256]);
    origin == Err(Errno::NODATA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(upper: &Path) -> Vec<(String, What, bool)> {
        let state = tempfile::tempdir().unwrap();
        let is_new = |path: &Path| !path.ends_with("layered");
        let audit = audit(upper, state.path(), &[], &is_new).unwrap();
        let line = |it: &Lost| (it.path.display().to_string(), it.what, it.anew);
        audit.lost.iter().map(line).collect()
    }

    #[test]
    fn what_was_written_is_lost_and_what_is_not_declared_is_unused() {
        let upper = tempfile::tempdir().unwrap();
        fs::create_dir_all(upper.path().join("etc/layered")).unwrap();
        fs::write(upper.path().join("etc/undeclared"), "12345").unwrap();
        std::os::unix::fs::symlink("nowhere", upper.path().join("etc/link")).unwrap();
        let state = tempfile::tempdir().unwrap();
        for directory in ["mail", "old", "web/html", "web/old", ".new-mail"] {
            fs::create_dir_all(state.path().join(directory)).unwrap();
        }
        let declared = [("/var/mail", "mail"), ("/srv/html", "web/html")]
            .map(|(path, at)| State::new(path, at));
        let audit = audit(upper.path(), state.path(), &declared, &|_| false).unwrap();
        let lost: Vec<_> =
            audit.lost.iter().map(|it| (it.path.to_str().unwrap(), it.size)).collect();
        assert_eq!(lost, [("/etc/link", 0), ("/etc/undeclared", 5)]);
        assert_eq!(audit.unused, ["old", "web/old"]);
    }

    #[test]
    fn a_directory_is_lost_that_no_layer_has() {
        let upper = tempfile::tempdir().unwrap();
        let made = ["var/lib/private", "var/lib/systemd/linger"];
        for directory in ["srv/new/inner", "srv/layered", "srv/full"].iter().chain(&made) {
            fs::create_dir_all(upper.path().join(directory)).unwrap();
        }
        for file in ["srv/full/file", "var/lib/systemd/linger/me"] {
            fs::write(upper.path().join(file), "").unwrap();
        }
        assert_eq!(
            lost(upper.path()),
            [
                ("/srv/full/file".into(), What::Written, false),
                ("/srv/new/inner".into(), What::Directory, false),
                ("/var/lib/private".into(), What::Directory, true),
                ("/var/lib/systemd/linger/me".into(), What::Written, false),
            ]
        );
    }

    /// fail2ban: 110 such lines hid what was lost.
    #[test]
    fn what_is_made_anew_is_marked_and_hides_no_loss() {
        let upper = tempfile::tempdir().unwrap();
        let cache = upper.path().join("usr/lib/python3/dist-packages/fail2ban/__pycache__");
        fs::create_dir_all(&cache).unwrap();
        for number in 0..110 {
            fs::write(cache.join(format!("{number}.cpython-311.pyc")), "").unwrap();
        }
        fs::create_dir_all(upper.path().join("var/lib/fail2ban")).unwrap();
        fs::write(upper.path().join("var/lib/fail2ban/fail2ban.sqlite3"), "").unwrap();
        let socket = upper.path().join("var/socket");
        let _listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        let lost = lost(upper.path());
        assert_eq!(lost.len(), 112);
        let missed: Vec<_> = lost.iter().filter(|(.., anew)| !anew).map(|it| &it.0).collect();
        assert_eq!(missed, ["/var/lib/fail2ban/fail2ban.sqlite3"]);
    }
}
