//! Writing a lock.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use crate::{Error, Lock};

impl Lock {
    /// Writes the lock of `subject` (`mailserver`) to a file, at once or not at all.
    ///
    /// # Errors
    /// When it could not be read again, or the file cannot be written.
    pub fn write(&self, path: &Path, subject: &str) -> Result<(), Error> {
        if let Some(what) = self.fault() {
            return Err(Error::Odd { path: path.to_owned(), what });
        }
        replace(path, &self.text(subject))
            .map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    /// The text of the lock of `subject`.
    pub fn text(&self, subject: &str) -> String {
        let mut text = header(&format!("lock {subject}"), "server.toml");
        self.append(&mut text, "");
        text
    }

    /// Appends the lock as tables below `prefix` (empty, or `group.`), without its header.
    pub(crate) fn append(&self, text: &mut String, prefix: &str) {
        // Writing to a string cannot fail.
        let _ = self.try_append(text, prefix);
    }

    fn try_append(&self, text: &mut String, prefix: &str) -> std::fmt::Result {
        writeln!(text, "version = {}", self.version)?;
        writeln!(text, "distribution = {}", quoted(&self.distribution))?;
        writeln!(text, "architecture = {}", quoted(&self.architecture))?;
        writeln!(text, "date = \"{}\"", self.date)?;
        writeln!(text, "request = \"{}\"", self.request)?;
        for index in &self.indexes {
            writeln!(text, "\n[[{prefix}index]]")?;
            writeln!(text, "suite = {}", quoted(&index.suite))?;
            writeln!(text, "signed = \"{}\"", index.signed)?;
            writeln!(text, "sha256 = \"{}\"", index.sha256.hex())?;
            if let Some(archive) = &index.archive {
                writeln!(text, "archive = {}", quoted(archive))?;
            }
        }
        for source in &self.sources {
            writeln!(text, "\n[[{prefix}source]]")?;
            writeln!(text, "name = {}", quoted(&source.name))?;
            writeln!(text, "url = {}", quoted(&source.url))?;
        }
        for package in &self.packages {
            writeln!(text, "\n[[{prefix}package]]")?;
            writeln!(text, "name = {}", quoted(&package.name))?;
            writeln!(text, "version = {}", quoted(&package.version))?;
            writeln!(text, "architecture = {}", quoted(&package.architecture))?;
            writeln!(text, "size = {}", package.size)?;
            writeln!(text, "sha256 = \"{}\"", package.sha256.hex())?;
            writeln!(text, "path = {}", quoted(&package.path))?;
            writeln!(text, "archive = {}", quoted(&package.archive))?;
            if let Some(signature) = &package.signature {
                let (size, sha256) = (signature.size, signature.sha256.hex());
                writeln!(text, "signature = {{ size = {size}, sha256 = \"{sha256}\" }}")?;
            }
        }
        for (table, ids) in [("users", &self.users), ("groups", &self.groups)] {
            append_ids(text, prefix, table, ids)?;
        }
        Ok(())
    }
}

fn append_ids(
    text: &mut String,
    prefix: &str,
    table: &str,
    ids: &BTreeMap<String, u32>,
) -> std::fmt::Result {
    if ids.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n[{prefix}{table}]")?;
    for (name, id) in ids {
        let bare = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let key = if bare { name.clone() } else { quoted(name) };
        writeln!(text, "{key} = {id}")?;
    }
    Ok(())
}

/// The first lines of a lock file.
pub(crate) fn header(command: &str, source: &str) -> String {
    format!("# written by `cargo xtask {command}`; edit {source} instead\n\n")
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Puts `text` in the place of a file: a second process sees the old bytes or the new ones, and so
/// does the next boot after a power cut.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new().prefix(".lock-").tempfile_in(folder)?;
    temporary.write_all(text.as_bytes())?;
    // tempfile makes files for their owner alone; a lock is a source file like any other.
    let mode = std::fs::metadata(path)
        .map(|old| old.permissions())
        .unwrap_or_else(|_| std::os::unix::fs::PermissionsExt::from_mode(0o644));
    temporary.as_file().set_permissions(mode)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    std::fs::File::open(folder)?.sync_all()
}
