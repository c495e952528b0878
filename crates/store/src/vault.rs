//! Vaults: folders that hold exactly the files of some locks, to build from with no network.
//!
//! ```text
//! <vault>/
//!   SHA256SUMS                   every file, in the form of sha256sum(1), with its name above
//!   sha256/ab/abcd…              the files, as in the store
//! ```
//!
//! `sha256sum --check SHA256SUMS` verifies a vault without Heirloom.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use digest::{Digest, Hasher};

use crate::item::Item;
use crate::source::blob_path;
use crate::store::Store;
use crate::{Error, Result};

/// The list of files in a vault.
pub const SUMS: &str = "SHA256SUMS";

/// What was put into a vault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Files that were copied.
    pub copied: usize,
    /// Files that were there already, whole.
    pub kept: usize,
    /// Bytes of both.
    pub bytes: u64,
}

/// Makes `folder` a vault of `items`, which are fetched if they are not in the store. A folder that
/// is a vault already keeps what it has, so that one vault can serve several locks; damaged files
/// among `items` are replaced.
///
/// # Errors
/// As [`Store::fetch`]; and when the folder cannot be written.
pub fn make(store: &Store, items: &[Item], folder: &Path) -> Result<Made> {
    store.fetch(items)?;
    let mut names = read_sums(&folder.join(SUMS))?;
    for item in items {
        names.insert(item.digest, item.name.escape_debug().to_string());
    }
    let bar = progress::bytes("Copying", items.iter().map(|item| item.size).sum());
    let mut made = Made::default();
    let mut seen = std::collections::HashSet::new();
    for item in items.iter().filter(|item| seen.insert(item.digest)) {
        bar.message(&item.name);
        let to = blob_path(folder, item.digest);
        if holds(&to, item.digest)? {
            made.kept += 1;
        } else {
            copy(&store.path(item.digest), &to, item.digest)?;
            made.copied += 1;
        }
        made.bytes += item.size;
        bar.advance(item.size);
    }
    write_sums(folder, &names)?;
    Ok(made)
}

fn holds(path: &Path, digest: Digest) -> Result<bool> {
    match File::open(path) {
        Ok(file) => {
            let (found, _) = Digest::of_reader(file).map_err(Error::io("read", path))?;
            Ok(found == digest)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

/// Copies through a temporary name, and hashes on the way: the store's disk may fail, too.
fn copy(from: &Path, to: &Path, digest: Digest) -> Result<()> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    let mut source = File::open(from).map_err(Error::io("open", from))?;
    let mut file =
        tempfile::NamedTempFile::new_in(folder).map_err(Error::io("write in", folder))?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = source.read(&mut buffer).map_err(Error::io("read", from))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(Error::io("write", to))?;
    }
    if hasher.finish() != digest {
        let changed =
            io::Error::new(io::ErrorKind::InvalidData, "its bytes changed while it was read");
        return Err(Error::io("copy", from)(changed));
    }
    keep(file, to)
}

fn keep(file: tempfile::NamedTempFile, to: &Path) -> Result<()> {
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))
        .and_then(|()| file.as_file().sync_all())
        .map_err(Error::io("write", to))?;
    file.persist(to).map(drop).map_err(|error| Error::io("write", to)(error.error))
}

/// The names of a vault's files by their hash, as [`write_sums`] writes them.
fn read_sums(path: &Path) -> Result<BTreeMap<Digest, String>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let mut names = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            name = comment.to_owned();
        } else if let Some((hex, _)) = line.split_once("  ")
            && let Ok(digest) = Digest::from_hex(hex)
        {
            names.insert(digest, std::mem::take(&mut name));
        }
    }
    Ok(names)
}

fn write_sums(folder: &Path, names: &BTreeMap<Digest, String>) -> Result<()> {
    let mut lines: Vec<(&String, &Digest)> =
        names.iter().map(|(digest, name)| (name, digest)).collect();
    lines.sort();
    let mut text = String::new();
    for (name, digest) in lines {
        let path = blob_path(&PathBuf::new(), *digest);
        let _infallible = writeln!(text, "# {name}\n{}  {}", digest.hex(), path.display());
    }
    let to = folder.join(SUMS);
    fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    let mut file =
        tempfile::NamedTempFile::new_in(folder).map_err(Error::io("write in", folder))?;
    file.write_all(text.as_bytes()).map_err(Error::io("write", &to))?;
    keep(file, &to)
}
