//! Reading a lock.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::check::{Place, check};
use crate::{Error, Lock};

impl Lock {
    /// Reads and checks a lock file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or says what no lock says: with line and column.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads a lock from text; `path` is for messages.
    ///
    /// # Errors
    /// As [`Lock::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let lock: Self = toml::from_str(text).map_err(|error| invalid_toml(path, text, &error))?;
        check(&lock).map_err(|fault| {
            let at = place(text, None, fault.place);
            invalid(path, text, at, fault.what)
        })?;
        Ok(lock)
    }
}

pub(crate) fn invalid_toml(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let at = error.span().unwrap_or_default().start;
    invalid(path, text, at, error.message().to_owned())
}

pub(crate) fn invalid(path: &Path, text: &str, at: usize, what: String) -> Error {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Error::Invalid {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        what,
    }
}

/// The byte where a part of a lock begins; `group` is the table that the lock is in, if it is one
/// of several. What cannot be found is at the start of the file: this is for messages only.
pub(crate) fn place(text: &str, group: Option<&str>, place: Place) -> usize {
    let find = || {
        let mut root = DeTable::parse(text).ok()?.into_inner();
        let mut start = 0;
        if let Some(group) = group {
            let table = root.remove(group)?;
            start = table.span().start;
            match table.into_inner() {
                DeValue::Table(table) => root = table,
                _ => return Some(start),
            }
        }
        let (key, position) = match place {
            Place::Head => return Some(start),
            Place::Index(at) => ("index", Some(at)),
            Place::Source(at) => ("source", Some(at)),
            Place::Package(at) => ("package", Some(at)),
            Place::Users => ("users", None),
            Place::Groups => ("groups", None),
        };
        let value = root.get(key)?;
        Some(match (value.get_ref(), position) {
            (DeValue::Array(items), Some(at)) => items.get(at)?.span().start,
            _ => value.span().start,
        })
    };
    find().unwrap_or_default()
}
