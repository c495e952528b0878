//! Changes to a server.toml that commands make for their users: everything else in it, comments
//! and spaces too, stays as it was written.

use jiff::civil::Date;
use toml_edit::{Array, DocumentMut, InlineTable, Item, TomlError, Value};

/// Why a definition was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no TOML.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// A key is there and has another type.
    #[error("`{key}` is not {wanted}")]
    Type {
        /// The key.
        key: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// There is no such pin.
    #[error("`{package}` is not pinned")]
    NotPinned {
        /// The package.
        package: String,
    },
}

/// `text` with another `date` in `[archive]`.
pub fn set_date(text: &str, date: Date) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    let wrong = EditError::Type { key: "archive", wanted: "a table" };
    let archive = document.get_mut("archive").and_then(Item::as_table_like_mut).ok_or(wrong)?;
    let mut value = Value::from(date.to_string());
    if let Some(old) = archive.get("date").and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    archive.insert("date", Item::Value(value));
    Ok(document.to_string())
}

/// `text` with `package` held at `version`, for `reason`. An older pin of it is replaced.
pub fn pin(text: &str, package: &str, version: &str, reason: &str) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    let pins = pins(&mut document)?;
    pins.retain(|pin| !names(pin, package));
    let mut entry = InlineTable::new();
    for (key, value) in [("name", package), ("version", version), ("reason", reason)] {
        entry.insert(key, value.into());
    }
    pins.push(Value::InlineTable(entry));
    one_a_line(pins);
    Ok(document.to_string())
}

/// `text` without the pin of `package`.
pub fn unpin(text: &str, package: &str) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    let pins = pins(&mut document)?;
    let before = pins.len();
    pins.retain(|pin| !names(pin, package));
    if pins.len() == before {
        return Err(EditError::NotPinned { package: package.to_owned() });
    }
    let empty = pins.is_empty();
    one_a_line(pins);
    if empty && let Some(packages) = document.get_mut("packages").and_then(Item::as_table_like_mut)
    {
        packages.remove("pin");
    }
    Ok(document.to_string())
}

fn pins(document: &mut DocumentMut) -> Result<&mut Array, EditError> {
    let packages = document.entry("packages").or_insert_with(toml_edit::table);
    let packages = packages
        .as_table_like_mut()
        .ok_or(EditError::Type { key: "packages", wanted: "a table" })?;
    let pins = packages.entry("pin").or_insert_with(|| Item::Value(Array::new().into()));
    // `[[packages.pin]]` says the same, and becomes a list with its first change.
    if pins.is_array_of_tables() {
        pins.make_value();
    }
    pins.as_array_mut().ok_or(EditError::Type { key: "pin", wanted: "a list" })
}

fn names(pin: &Value, package: &str) -> bool {
    let name = pin.as_inline_table().and_then(|pin| pin.get("name")).and_then(Value::as_str);
    name == Some(package)
}

/// A pin a line, so that a change of one is a line in `git diff`.
fn one_a_line(pins: &mut Array) {
    for pin in pins.iter_mut() {
        pin.decor_mut().set_prefix("\n    ");
        pin.decor_mut().set_suffix("");
    }
    let any = !pins.is_empty();
    pins.set_trailing(if any { "\n" } else { "" });
    pins.set_trailing_comma(any);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# A mail server.
board = \"pc\"

[archive]
date = \"2026-11-22\" # a Sunday

[packages]
install = [\"postfix\"]
";

    #[test]
    fn a_date_is_moved_and_nothing_else() {
        let moved = set_date(TEXT, jiff::civil::date(2026, 12, 1)).unwrap();
        assert_eq!(moved, TEXT.replace("2026-11-22", "2026-12-01"));
    }

    #[test]
    fn a_pin_comes_moves_and_goes() {
        let pinned = pin(TEXT, "postfix", "3.7.10-0", "it works").unwrap();
        let line = "    { name = \"postfix\", version = \"3.7.10-0\", reason = \"it works\" },\n";
        assert_eq!(pinned, format!("{TEXT}pin = [\n{line}]\n"));
        let moved = pin(&pinned, "postfix", "3.7.11-0", "it works").unwrap();
        assert_eq!(moved, pinned.replace("3.7.10-0", "3.7.11-0"));
        assert_eq!(unpin(&moved, "postfix").unwrap(), TEXT);
        assert!(matches!(unpin(TEXT, "postfix"), Err(EditError::NotPinned { .. })));
    }

    #[test]
    fn a_pin_in_a_table_of_its_own_can_be_changed_too() {
        let table = "\n[[packages.pin]]\nname = \"postfix\"\nversion = \"1\"\nreason = \"x\"\n";
        let text = format!("{TEXT}{table}");
        assert_eq!(unpin(&text, "postfix").unwrap(), TEXT);
        let two = pin(&text, "nginx", "2", "y").unwrap();
        assert!(two.contains("{ name = \"nginx\", version = \"2\", reason = \"y\" }"), "{two}");
        assert!(two.contains("name = \"postfix\"") && !two.contains("[[packages.pin]]"), "{two}");
    }
}
