//! Writes a new server.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::convert::Converted;
use super::plan::Kind;
use crate::{Error, RootPath, new};

/// Writes a server into the empty directory `dir`.
pub(super) fn server(
    dir: &Path,
    template: &[(&'static str, String)],
    server: &Converted,
) -> Result<(), Error> {
    let rootfs = dir.join("rootfs");
    for (file, text) in own(template, server) {
        new::write(dir, file, text)?;
    }
    new::write(dir, "server.toml", &server.toml)?;
    for (path, kind) in &server.laid {
        if let Kind::File(source) = kind {
            copy(source, &rootfs.join(path.relative()), server.executable.contains(path))?;
        }
    }
    // Symlinks last: nothing is written through one.
    for (path, kind) in &server.laid {
        if let Kind::Symlink(target) = kind {
            let to = rootfs.join(path.relative());
            parent(&to)?;
            symlink(target, &to).map_err(|error| Error::write(&to, error))?;
        }
    }
    Ok(())
}

/// The files that it has, sorted, relative to its directory.
pub(super) fn files(template: &[(&'static str, String)], server: &Converted) -> Vec<PathBuf> {
    let own = own(template, server).map(|(file, _)| PathBuf::from(file));
    let laid = server.laid.iter().filter(|(_, kind)| **kind != Kind::Directory);
    let laid = laid.map(|(path, _)| Path::new("rootfs").join(path.relative()));
    let mut files: Vec<PathBuf> = own.chain([PathBuf::from("server.toml")]).chain(laid).collect();
    files.sort();
    files
}

/// The files of the template that the profile has no other of.
fn own<'a>(
    template: &'a [(&'static str, String)],
    server: &'a Converted,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let is_laid = |file: &str| {
        let path = file.strip_prefix("rootfs").and_then(|path| path.parse::<RootPath>().ok());
        path.is_some_and(|path| server.laid.contains_key(&path))
    };
    template
        .iter()
        .filter(move |(file, _)| !is_laid(file))
        .map(|(file, text)| (*file, text.as_str()))
}

/// Copies what a file holds, and none of its mode.
fn copy(source: &Path, to: &Path, executable: bool) -> Result<(), Error> {
    parent(to)?;
    let mode = if executable { 0o755 } else { 0o644 };
    let mut from = File::open(source).map_err(|error| Error::read(source, error))?;
    let failed = |error: io::Error| Error::write(to, error);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(to).map_err(failed)?;
    io::copy(&mut from, &mut file).map_err(failed)?;
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed)
}

fn parent(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(|error| Error::write(parent, error)),
        None => Ok(()),
    }
}
