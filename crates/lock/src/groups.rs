//! A file with several locks: `tools.lock`, one table a group of tools.

use std::collections::BTreeMap;
use std::path::Path;

use crate::check::check;
use crate::read::{invalid, invalid_toml, place};
use crate::text::{header, replace};
use crate::{Error, Lock};

/// Reads and checks a file of several locks, by name.
///
/// # Errors
/// When it cannot be read, is no TOML, or says what no lock says: with line and column.
pub fn read_groups(path: &Path) -> Result<BTreeMap<String, Lock>, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let locks: BTreeMap<String, Lock> =
        toml::from_str(&text).map_err(|error| invalid_toml(path, &text, &error))?;
    for (name, lock) in &locks {
        check(lock).map_err(|fault| {
            invalid(path, &text, place(&text, Some(name), fault.place), fault.what)
        })?;
    }
    Ok(locks)
}

/// Writes a file of several locks, at once or not at all. `command` is the xtask command that does
/// so, `source` the file that people edit.
///
/// # Errors
/// When the file cannot be written.
pub fn write_groups(
    path: &Path,
    locks: &BTreeMap<String, Lock>,
    command: &str,
    source: &str,
) -> Result<(), Error> {
    let mut text = header(command, source);
    for (at, (name, lock)) in locks.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        text.push_str(&format!("[{name}]\n"));
        lock.append(&mut text, &format!("{name}."));
    }
    replace(path, &text).map_err(|source| Error::Write { path: path.to_owned(), source })
}
