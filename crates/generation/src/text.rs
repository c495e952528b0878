//! Canonical JSON, and the texts that a generation may contain.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The canonical bytes of a document: JSON without white space, members in the order of the
/// type's fields, maps sorted by key, strings with the escapes that JSON demands and no others.
pub(crate) fn to_bytes(document: &impl Serialize) -> Vec<u8> {
    // Our documents are structs of strings, numbers and string maps, and a vector takes every
    // write: there is nothing here that can fail.
    serde_json::to_vec(document).unwrap_or_default()
}

/// Reads a document of at most `limit` bytes.
pub(crate) fn parse<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: u64,
) -> Result<T> {
    let size = bytes.len() as u64;
    if size > limit {
        return Err(Error::TooLarge { what, size, limit });
    }
    serde_json::from_slice(bytes).map_err(|source| Error::Json { what, source })
}

/// Reads a document of at most `limit` bytes that has to be in its canonical form: then equal
/// content has one digest, and no reader can see in the bytes what another does not.
pub(crate) fn parse_canonical<T: DeserializeOwned + Serialize>(
    what: &'static str,
    bytes: &[u8],
    limit: u64,
) -> Result<T> {
    let document = parse(what, bytes, limit)?;
    if to_bytes(&document) != bytes {
        return Err(Error::NotCanonical { what });
    }
    Ok(document)
}

/// The first `limit` bytes of a text at most, cut between two characters.
pub(crate) fn shortened(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A name that is safe in file names, command lines and host names.
pub(crate) fn check_name(field: &str, name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    if name.is_empty() || name.len() > 128 {
        return Err(Error::invalid(field, format!("`{name}` is empty or longer than 128")));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        let why = format!("`{}` is not a name of letters, digits, - _ . +", name.escape_debug());
        return Err(Error::invalid(field, why));
    }
    Ok(())
}

/// A path below some root: components that are neither empty nor `.` nor `..`, no control
/// characters.
pub(crate) fn check_relative_path(field: &str, path: &str) -> Result<()> {
    let wrong = |why: &str| Err(Error::invalid(field, format!("`{}` {why}", path.escape_debug())));
    if path.len() > 4095 {
        return wrong("is longer than a path can be");
    }
    if path.chars().any(char::is_control) {
        return wrong("has a control character");
    }
    for component in path.split('/') {
        match component {
            "" => return wrong("has an empty component"),
            "." | ".." => return wrong("has a `.` or `..`"),
            name if name.len() > 255 => return wrong("has a component longer than 255 bytes"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["mail", "pc", "qemu-arm64", "x86_64", "bookworm-backports", "a.b+c"] {
            check_name("n", good).unwrap();
        }
        for bad in ["", "-x", ".x", "a b", "a/b", "a\n", "ä", &"a".repeat(129)] {
            assert!(check_name("n", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_stay_below_their_root() {
        for good in ["a", "a/b", "var/spool/mail", "a b", "..a", "ä"] {
            check_relative_path("p", good).unwrap();
        }
        for bad in ["", "/a", "a/", "a//b", ".", "..", "a/..", "a/./b", "a\0b", "a\nb"] {
            assert!(check_relative_path("p", bad).is_err(), "{bad}");
        }
    }
}
