//! The members of a workspace, by name, as the root manifest lists them.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use toml::{Table, Value};

use crate::error::{Error, Result};

/// Reads a manifest.
pub(crate) fn read_manifest(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    text.parse().map_err(|error: toml::de::Error| Error::manifest(path, error))
}

/// The directories of the members, relative to the workspace, by package name. Patterns are those
/// that workspaces have in practice: a path, or a path whose last component is `*`.
pub(crate) fn members(workspace: &Path, root: &Table) -> Result<BTreeMap<String, String>> {
    let patterns = root.get("workspace").and_then(|workspace| workspace.get("members"));
    let patterns = patterns
        .and_then(Value::as_array)
        .ok_or_else(|| Error::manifest(workspace.join("Cargo.toml"), "has no members"))?;
    let mut members = BTreeMap::new();
    for pattern in patterns.iter().filter_map(Value::as_str) {
        for directory in directories(workspace, pattern)? {
            let path = workspace.join(&directory).join("Cargo.toml");
            let manifest = read_manifest(&path)?;
            let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
            let name = name.ok_or_else(|| Error::manifest(&path, "has no package name"))?;
            members.insert(name.to_owned(), directory);
        }
    }
    Ok(members)
}

fn directories(workspace: &Path, pattern: &str) -> Result<Vec<String>> {
    let Some(parent) = pattern.strip_suffix("/*") else {
        return Ok(vec![pattern.to_owned()]);
    };
    let listed = workspace.join(parent);
    let entries = match fs::read_dir(&listed) {
        Ok(entries) => entries,
        // A pattern may match nothing.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &listed)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("list", &listed))?;
        if entry.path().join("Cargo.toml").is_file() {
            found.push(format!("{parent}/{}", entry.file_name().to_string_lossy()));
        }
    }
    Ok(found)
}
