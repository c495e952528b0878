//! Where state lies on the disk, and what is in it.

use std::path::Path;

use ext4_view::{FileType, Metadata, PathBuf};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::filesystem::Filesystem;
use crate::report::declared;
use crate::shown::safe;

/// Where the state lies.
pub(crate) const STATE: &str = "/state";

/// What stands in a directory of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its name, made safe to show.
    pub name: String,
    /// `file`, `directory`, `symlink`, `fifo`, `socket`, `device`.
    pub kind: &'static str,
    /// The permission bits, in octal.
    pub mode: String,
    /// The numbers of owner and group.
    pub uid: u32,
    /// See `uid`.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// When it was written last, RFC 3339.
    pub modified: Option<String>,
}

/// What is in a directory of the state, or the one file that is named.
///
/// # Errors
/// `path` is no state; it cannot be read.
pub fn list(disk: &Filesystem, path: &Path) -> Result<Vec<Found>> {
    let place = place(disk, path)?;
    let failed = |source| Error::Filesystem { what: safe(place.as_ref()), source };
    let found = disk.ext4().symlink_metadata(&place).map_err(failed)?;
    if !found.is_dir() {
        return Ok(vec![of(safe(last_name(&place)), &found)]);
    }
    let names = disk.names(&place)?.into_iter();
    names
        .map(|(name, path)| {
            let failed = |source| Error::Filesystem { what: safe(path.as_ref()), source };
            Ok(of(safe(&name), &disk.ext4().symlink_metadata(&path).map_err(failed)?))
        })
        .collect()
}

fn of(name: String, found: &Metadata) -> Found {
    Found {
        name,
        kind: kind(found.file_type()),
        mode: format!("{:04o}", found.mode() & 0o7777),
        uid: found.uid(),
        gid: found.gid(),
        size: found.len(),
        modified: time(found),
    }
}

fn time(found: &Metadata) -> Option<String> {
    let modified = jiff::Timestamp::from_second(found.modified().seconds()).ok()?;
    Some(modified.to_string())
}

pub(crate) fn kind(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_dir() => "directory",
        _ if kind.is_regular_file() => "file",
        _ if kind.is_symlink() => "symlink",
        _ if kind.is_fifo() => "fifo",
        _ if kind.is_socket() => "socket",
        _ => "device",
    }
}

/// Where `asked` lies on the disk: it is a path of the running server (`/var/mail/alice`) or one
/// below /state (`mail/alice`). No part of it may be a symlink: where one leads on the server is
/// not known here.
pub(crate) fn place(disk: &Filesystem, asked: &Path) -> Result<PathBuf> {
    let no_state = || {
        let known = known(disk);
        Error::NoState { path: safe(asked.as_os_str().as_encoded_bytes()), known }
    };
    let below = if asked.is_absolute() {
        let mut declared = declared(disk);
        // The longest wins: state may lie within state.
        declared.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let found = declared.iter().find_map(|(path, at)| {
            let rest = asked.strip_prefix(path).ok()?;
            Some(Path::new(at).join(rest))
        });
        found.ok_or_else(no_state)?
    } else {
        asked.to_owned()
    };
    let mut place = PathBuf::new(STATE);
    for part in below.components() {
        match part {
            std::path::Component::CurDir => continue,
            std::path::Component::Normal(name) if name.len() <= 255 => {
                place = place.join(name.as_encoded_bytes());
            }
            _ => return Err(no_state()),
        }
        match disk.ext4().symlink_metadata(&place) {
            Ok(found) if !found.is_symlink() => {}
            _ => return Err(no_state()),
        }
    }
    Ok(place)
}

/// The last name of a path.
pub(crate) fn last_name(path: &PathBuf) -> &[u8] {
    path.as_ref().rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// What there is to ask for.
fn known(disk: &Filesystem) -> Vec<String> {
    let declared = declared(disk);
    let names = disk.names(&PathBuf::new(STATE)).unwrap_or_default();
    names
        .iter()
        .map(|(name, _)| {
            let name = safe(name);
            match declared.iter().find(|(_, at)| *at == name) {
                Some((path, _)) => format!("`{name}` ({})", safe(path.as_bytes())),
                None => format!("`{name}`"),
            }
        })
        .collect()
}
