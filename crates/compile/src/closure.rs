//! What programs are made of: their packages, the local packages below them, the locked crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use digest::{Digest, Hasher};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::locked::Locked;
use crate::manifest::{declared, without_tests};
use crate::members::read_manifest;
use crate::workspace::Workspace;

/// A local package.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Relative to the workspace.
    pub(crate) directory: String,
    /// Its manifest, without tests.
    pub(crate) manifest: Table,
    /// Its files, build.rs and everything under src, by path relative to its directory. They are
    /// read once, so that what is compiled is what the key was made of.
    pub(crate) files: Files,
}

/// Everything that programs are made of, as far as the workspace says.
#[derive(Debug)]
pub(crate) struct Closure {
    workspace: PathBuf,
    packages: Vec<String>,
    members: BTreeMap<String, Member>,
    /// The root manifest, cut to what the members inherit.
    manifest: Table,
    locked: BTreeSet<Locked>,
}

impl Closure {
    /// Reads what `packages` are made of. Starts no program.
    pub(crate) fn read(workspace: &Workspace, packages: &[&str]) -> Result<Self> {
        let Workspace { path, manifest: root, members: all, lock, left_out } = workspace;
        if let Some(package) = packages.iter().find(|package| !all.contains_key(**package)) {
            let (package, workspace) = ((*package).to_owned(), path.to_owned());
            return Err(Error::NoPackage { package, workspace });
        }

        let mut found: BTreeMap<String, Member> = BTreeMap::new();
        let mut inherited = BTreeSet::new();
        let mut locked = BTreeSet::new();
        let packages: Vec<String> = packages.iter().copied().map(str::to_owned).collect();
        let mut open = packages.clone();
        while let Some(name) = open.pop() {
            // What is no member comes from the lock, or is found by nobody and refused by cargo.
            let Some(directory) = all.get(&name).filter(|_| !found.contains_key(&name)) else {
                continue;
            };
            let member = Member::read(path, &name, directory, left_out)?;
            let mut needed = BTreeSet::new();
            for one in declared(&member.manifest) {
                let mut package = one.package();
                if one.is_inherited() {
                    inherited.insert(one.alias.to_owned());
                    let shared = root_dependency(root, one.alias);
                    let renamed = shared.and_then(|value| value.get("package")?.as_str());
                    package = renamed.unwrap_or(package);
                }
                needed.insert(package.to_owned());
            }
            locked.extend(lock.reached(&name, &needed)?);
            open.extend(needed);
            found.insert(name, member);
        }
        let manifest = root_manifest(root, &found, &inherited);
        Ok(Self { workspace: path.clone(), packages, members: found, manifest, locked })
    }

    /// The root of the workspace that it was read from.
    pub(crate) fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// The packages that have the programs.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().map(String::as_str)
    }

    /// Their names, for people.
    pub(crate) fn names(&self) -> String {
        self.packages.join(" and ")
    }

    /// The name of the program of `package`: the first `[[bin]]`'s, else the package's.
    pub(crate) fn binary<'a>(&'a self, package: &'a str) -> &'a str {
        let manifest = self.members.get(package).map(|member| &member.manifest);
        let declared = manifest
            .and_then(|manifest| manifest.get("bin")?.as_array()?.first()?.get("name")?.as_str());
        declared.unwrap_or(package)
    }

    /// The local packages, by name.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The crates, those of other platforms among them.
    pub(crate) fn locked(&self) -> &BTreeSet<Locked> {
        &self.locked
    }

    /// The root manifest with just these members.
    pub(crate) fn manifest(&self) -> &Table {
        &self.manifest
    }

    /// The digest of the root manifest, as far as it matters.
    pub(crate) fn workspace_digest(&self) -> Result<Digest> {
        Ok(Digest::of(to_text(&self.manifest)?))
    }

    /// The digest of all that `Cargo.lock` says of the crates.
    pub(crate) fn locked_digest(&self) -> Digest {
        let line = |it: &Locked| format!("{} {} {}\n", it.name, it.version, it.checksum);
        Digest::of(self.locked.iter().map(line).collect::<String>())
    }
}

impl Member {
    fn read(
        workspace: &Path,
        name: &str,
        directory: &str,
        left_out: &BTreeSet<PathBuf>,
    ) -> Result<Self> {
        let root = workspace.join(directory);
        let manifest = without_tests(read_manifest(&root.join("Cargo.toml"))?);
        let mut files = BTreeMap::new();
        let build = root.join("build.rs");
        if build.is_file() && !left_out.contains(&build) {
            add(&root, Path::new("build.rs"), &mut files)?;
        }
        add_all(&root, Path::new("src"), left_out, &mut files)?;
        Ok(Self { name: name.to_owned(), directory: directory.to_owned(), manifest, files })
    }

    /// The digest of its place, manifest and files.
    pub(crate) fn digest(&self) -> Result<Digest> {
        let mut hasher = Hasher::new();
        let mut add = |name: &Path, bytes: &[u8]| {
            hasher.update(format!("{} {}\n", Digest::of(bytes), name.display()).as_bytes());
        };
        let manifest = Path::new(&self.directory).join("Cargo.toml");
        add(&manifest, to_text(&self.manifest)?.as_bytes());
        for (file, bytes) in &self.files {
            add(file, bytes);
        }
        Ok(hasher.finish())
    }
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Adds the files below `directory`, relative to `root`. Links are followed, as a compiler does.
fn add_all(
    root: &Path,
    directory: &Path,
    left_out: &BTreeSet<PathBuf>,
    files: &mut Files,
) -> Result<()> {
    let path = root.join(directory);
    for entry in fs::read_dir(&path).map_err(Error::io("list", &path))? {
        let name = entry.map_err(Error::io("list", &path))?.file_name();
        let found = path.join(&name);
        if left_out.contains(&found) {
            continue;
        }
        if found.is_dir() {
            add_all(root, &directory.join(name), left_out, files)?;
        } else {
            add(root, &directory.join(name), files)?;
        }
    }
    Ok(())
}

fn add(root: &Path, file: &Path, files: &mut Files) -> Result<()> {
    let path = root.join(file);
    files.insert(file.to_owned(), fs::read(&path).map_err(Error::io("read", &path))?);
    Ok(())
}

fn root_dependency<'a>(root: &'a Table, alias: &str) -> Option<&'a Value> {
    root.get("workspace")?.get("dependencies")?.get(alias)
}

/// The root manifest with these members, and of the workspace's tables what they inherit.
fn root_manifest(
    root: &Table,
    members: &BTreeMap<String, Member>,
    inherited: &BTreeSet<String>,
) -> Table {
    let directories = members.values().map(|member| Value::from(member.directory.as_str()));
    let mut directories: Vec<_> = directories.collect();
    directories.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    let mut workspace = Table::from_iter([("members".to_owned(), Value::from(directories))]);
    let all = root.get("workspace").and_then(Value::as_table);
    for kept in ["resolver", "package", "lints"] {
        if let Some(value) = all.and_then(|all| all.get(kept)) {
            workspace.insert(kept.to_owned(), value.clone());
        }
    }
    let shared = inherited
        .iter()
        .filter_map(|alias| Some((alias.clone(), root_dependency(root, alias)?.clone())));
    workspace.insert("dependencies".to_owned(), Table::from_iter(shared).into());
    Table::from_iter([("workspace".to_owned(), Value::from(workspace))])
}

/// A table as text.
pub(crate) fn to_text(table: &Table) -> Result<String> {
    toml::to_string(table).map_err(|error| Error::manifest("Cargo.toml", error))
}
