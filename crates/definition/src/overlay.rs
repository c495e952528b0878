//! `rootfs/`: the files that a part lays over the packages.
//!
//! What lies there is hostile until checked: a symlink is kept as a symlink and never followed,
//! devices, sockets and pipes are refused, and of a file's mode only its owner's execute bit
//! counts, the one bit that git carries.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Ignored, Origin, PartName, Problem, RootPath, paths};

/// Something that a `rootfs/` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Laid {
    /// Its path on the server.
    pub path: RootPath,
    /// Where it lies in the repository.
    pub source: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// The file in messages: `source`, relative to the workspace.
    pub origin: Origin,
}

/// What can be laid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A directory, which holds something. One that is there already keeps its owner and mode.
    Directory,
    /// A regular file.
    File {
        /// Whether its owner may execute it.
        executable: bool,
        /// Its size.
        bytes: u64,
    },
    /// A symlink, whose target means something on the server only.
    Symlink {
        /// As it was written.
        target: String,
    },
}

/// Something laid over the packages, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlayEntry {
    /// Its path on the server.
    pub path: RootPath,
    /// Where it lies in the repository.
    pub source: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// The part that lays it.
    pub part: PartName,
}

impl Kind {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory)
    }
}

/// Everything in `rootfs` that git does not ignore, sorted by path; nothing if there is no such
/// directory.
///
/// Mistakes go to `problems`; `shown` makes a path of a message out of a path.
pub(crate) fn walk(
    rootfs: &Path,
    shown: &dyn Fn(&Path) -> PathBuf,
    ignored: &Ignored,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Laid>, Error> {
    let mut found = Vec::new();
    match fs::symlink_metadata(rootfs) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            let origin = Origin::file(&shown(rootfs));
            problems.push(Problem::new(&origin, "`rootfs` is not a directory"));
            return Ok(found);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(Error::read(rootfs, error)),
    }
    if ignored.has(rootfs) {
        return Ok(found);
    }
    walk_directory(rootfs, "", shown, ignored, problems, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk_directory(
    dir: &Path,
    path: &str,
    shown: &dyn Fn(&Path) -> PathBuf,
    ignored: &Ignored,
    problems: &mut Vec<Problem>,
    found: &mut Vec<Laid>,
) -> Result<(), Error> {
    let failed = |error| Error::read(dir, error);
    let mut empty = true;
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        empty = false;
        let source = entry.path();
        if ignored.has(&source) {
            continue;
        }
        let origin = Origin::file(&shown(&source));
        let path = entry.file_name().into_string().map(|name| format!("{path}/{name}"));
        let path = path.ok().and_then(|path| path.parse::<RootPath>().ok());
        let Some(path) = path else {
            let message = "this name cannot be laid";
            let hint = "names are UTF-8 and have no control characters".to_owned();
            problems.push(Problem::new(&origin, message).hint(hint));
            continue;
        };
        // Not `entry.metadata()`'s cousin `fs::metadata`: that would follow symlinks.
        let metadata = entry.metadata().map_err(|error| Error::read(&source, error))?;
        let Some(kind) = kind(&source, &metadata)? else {
            let message = format!("`{path}` is neither file, directory nor symlink");
            let hint = "systemd-tmpfiles can make it at boot: rootfs/etc/tmpfiles.d".to_owned();
            problems.push(Problem::new(&origin, message).hint(hint));
            continue;
        };
        if kind.is_directory() {
            let before = found.len();
            walk_directory(&source, path.as_str(), shown, ignored, problems, found)?;
            if found.len() == before && ignored.below(&source).next().is_some() {
                // Nobody else has a directory of ignored files.
                continue;
            }
        } else if let Err(refused) = paths::check_reachable(path.as_str()) {
            let message = format!("`{path}` {refused}");
            problems.push(Problem::new(&origin, message).hint(refused.hint));
            continue;
        }
        found.push(Laid { path, source, kind, origin });
    }
    if empty && !path.is_empty() {
        let problem = Problem::new(&Origin::file(&shown(dir)), "this directory is empty")
            .hint("git would lose it: declare it under [state] or in etc/tmpfiles.d".to_owned());
        problems.push(problem);
    }
    Ok(())
}

/// What it is; none: something that cannot be laid.
fn kind(source: &Path, metadata: &fs::Metadata) -> Result<Option<Kind>, Error> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Ok(Some(Kind::Directory));
    }
    if kind.is_symlink() {
        let target = fs::read_link(source).map_err(|error| Error::read(source, error))?;
        let target = target.into_os_string().into_string().ok();
        return Ok(target.map(|target| Kind::Symlink { target }));
    }
    if !kind.is_file() {
        return Ok(None);
    }
    let executable = metadata.permissions().mode() & 0o100 != 0;
    Ok(Some(Kind::File { executable, bytes: metadata.size() }))
}
