//! Packages from git, read where the host's cargo has checked their repository out at the commit of
//! the lock. A compiler is given them as members of the workspace: what they inherit from the root
//! of their own repository is written into their manifests.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::locked::FromGit;
use crate::manifest::dependency_tables;
use crate::members::read_manifest;

/// Where they are given to the compiler, relative to the workspace.
pub(crate) const DIRECTORY: &str = "packages-from-git";

/// Where cargo has the packages of a workspace, asked when the first one is wanted.
pub(crate) struct Checkouts<'a> {
    workspace: &'a Path,
    /// By name and source.
    manifests: OnceCell<BTreeMap<(String, String), PathBuf>>,
}

impl<'a> Checkouts<'a> {
    pub(crate) fn of(workspace: &'a Path) -> Self {
        Self { workspace, manifests: OnceCell::new() }
    }

    /// The directory of a package.
    pub(crate) fn directory(&self, package: &FromGit) -> Result<PathBuf> {
        if self.manifests.get().is_none() {
            // Two at once would find the same.
            let _ = self.manifests.set(self.ask(package)?);
        }
        let key = (package.name.clone(), package.source.clone());
        let found = self.manifests.get().and_then(|all| all.get(&key)?.parent());
        let missing =
            || Error::Missing { name: package.name.clone(), version: package.version.clone() };
        found.map(Path::to_owned).ok_or_else(missing)
    }

    fn ask(&self, package: &FromGit) -> Result<BTreeMap<(String, String), PathBuf>> {
        // Whoever has read the definition has had it fetched.
        let metadata = MetadataCommand::new()
            .manifest_path(self.workspace.join("Cargo.toml"))
            .current_dir(self.workspace)
            .other_options(["--locked", "--offline"].map(str::to_owned))
            .exec()
            .map_err(|source| Error::Resolve { package: package.name.clone(), source })?;
        let known = metadata.packages.into_iter().filter_map(|it| {
            let source = it.source?.repr;
            Some(((it.name.to_string(), source), it.manifest_path.into_std_path_buf()))
        });
        Ok(known.collect())
    }
}

/// The manifest in `directory` with what it inherits from the root of its own workspace.
pub(crate) fn manifest(directory: &Path) -> Result<Table> {
    let path = directory.join("Cargo.toml");
    let mut manifest = read_manifest(&path)?;
    let root = match manifest.remove("workspace") {
        Some(own) => Some(own),
        None => root_above(directory)?,
    };
    let root = root.as_ref().and_then(Value::as_table);
    let shared = |table: &str| root.and_then(|root| root.get(table)?.as_table());
    // What cargo would say of it does not matter here.
    for only_at_home in ["lints", "profile", "patch", "replace"] {
        manifest.remove(only_at_home);
    }
    let inherited = |what: &str| {
        Error::manifest(&path, format!("inherits `{what}`, which its workspace does not have"))
    };
    if let Some(package) = manifest.get_mut("package").and_then(Value::as_table_mut) {
        for (key, value) in package.iter_mut().filter(|(_, value)| is_inherited(value)) {
            let theirs = shared("package").and_then(|package| package.get(key.as_str()));
            *value = theirs.ok_or_else(|| inherited(key.as_str()))?.clone();
        }
    }
    for dependencies in dependency_tables(&mut manifest) {
        for (alias, value) in dependencies.iter_mut().filter(|(_, value)| is_inherited(value)) {
            let theirs = shared("dependencies").and_then(|all| all.get(alias.as_str()));
            *value = merged(theirs.ok_or_else(|| inherited(alias.as_str()))?, value);
        }
    }
    Ok(manifest)
}

/// The table `workspace` of the nearest manifest above `directory` that has one, within the checkout:
/// above it cargo's own folders begin, which have no manifests.
fn root_above(directory: &Path) -> Result<Option<Value>> {
    for above in directory.ancestors().skip(1) {
        let path = above.join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        if let Some(root) = read_manifest(&path)?.remove("workspace") {
            return Ok(Some(root));
        }
    }
    Ok(None)
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool).unwrap_or(false)
}

/// A dependency of the root's as a member has it, whose features come to the root's own (Cargo
/// reference, "Inheriting a dependency from a workspace").
fn merged(root: &Value, member: &Value) -> Value {
    let mut table = match root {
        Value::Table(table) => table.clone(),
        version => Table::from_iter([("version".to_owned(), version.clone())]),
    };
    for (key, value) in member.as_table().into_iter().flatten() {
        match (key.as_str(), table.get_mut(key).and_then(Value::as_array_mut), value) {
            ("workspace", ..) => {}
            ("features", Some(all), Value::Array(more)) => all.extend(more.iter().cloned()),
            // Only the root can turn them off.
            ("default-features", ..) => {}
            _ => drop(table.insert(key.clone(), value.clone())),
        }
    }
    table.into()
}

/// Has dependencies on the packages in `places`, by their names, come from there.
pub(crate) fn from_places(dependencies: &mut Table, places: &BTreeMap<String, String>) {
    for (alias, value) in dependencies.iter_mut() {
        let package = value.get("package").and_then(Value::as_str).unwrap_or(alias);
        let Some(place) = places.get(package).filter(|_| !is_inherited(value)) else { continue };
        let mut table = value.as_table().cloned().unwrap_or_default();
        for elsewhere in ["git", "rev", "branch", "tag", "version", "registry"] {
            table.remove(elsewhere);
        }
        table.insert("path".to_owned(), Value::from(place.as_str()));
        *value = table.into();
    }
}

/// That a symlink in the package in `directory` leads to a file of that package. One to a directory
/// may have no end.
pub(crate) fn check_link(directory: &Path, link: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().map_err(Error::io("resolve", path));
    let target = real(link)?;
    if target.starts_with(real(directory)?) && target.is_file() {
        return Ok(());
    }
    Err(Error::manifest(link, "is a symlink that does not lead to a file of its own package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn a_manifest_has_what_the_root_of_its_repository_says() {
        let checkout = tempfile::tempdir().unwrap();
        let package = checkout.path().join("roles/greet");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(
            checkout.path().join("Cargo.toml"),
            "[workspace]\nmembers = [\"roles/*\"]\n[workspace.package]\nedition = \"2024\"\n\
             [workspace.dependencies]\none = \"1\"\ntwo = { version = \"2\", features = [\"a\"] }\n",
        )
        .unwrap();
        let own = "[package]\nname = \"greet\"\nedition.workspace = true\n\
                   [dependencies]\none.workspace = true\n\
                   two = { workspace = true, features = [\"b\"], optional = true }\n\
                   [lints]\nworkspace = true\n";
        std::fs::write(package.join("Cargo.toml"), own).unwrap();
        let expected = "[package]\nname = \"greet\"\nedition = \"2024\"\n[dependencies]\n\
                        one = { version = \"1\" }\n\
                        two = { version = \"2\", features = [\"a\", \"b\"], optional = true }\n";
        assert_eq!(manifest(&package).unwrap(), table(expected));
        std::fs::write(package.join("Cargo.toml"), own.replace("one.", "three.")).unwrap();
        let error = manifest(&package).unwrap_err().to_string();
        assert!(error.contains("inherits `three`"), "{error}");
    }

    #[test]
    fn dependencies_come_from_where_their_packages_are() {
        let mut dependencies = table(
            "greet = { git = \"https://x\", branch = \"main\", features = [\"a\"] }\n\
             hello = { package = \"greet\", git = \"https://x\" }\nother = \"1\"\n\
             shared = { workspace = true }\n",
        );
        let place = |name: &str| (name.to_owned(), format!("/{name}"));
        from_places(&mut dependencies, &BTreeMap::from([place("greet"), place("shared")]));
        let expected = "greet = { path = \"/greet\", features = [\"a\"] }\n\
                        hello = { package = \"greet\", path = \"/greet\" }\nother = \"1\"\n\
                        shared = { workspace = true }\n";
        assert_eq!(dependencies, table(expected));
    }

    #[test]
    fn a_symlink_out_of_its_package_or_to_a_directory_is_refused() {
        let checkout = tempfile::tempdir().unwrap();
        let package = checkout.path().join("greet");
        std::fs::create_dir_all(package.join("src")).unwrap();
        std::fs::write(package.join("src/lib.rs"), "").unwrap();
        for (target, is_good) in
            [("lib.rs", true), ("/etc/passwd", false), (".", false), ("../..", false)]
        {
            let link = package.join("src/link");
            std::os::unix::fs::symlink(target, &link).unwrap();
            assert_eq!(check_link(&package, &link).is_ok(), is_good, "{target}");
            std::fs::remove_file(link).unwrap();
        }
    }
}
