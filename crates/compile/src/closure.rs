//! What programs are made of: their packages, the local ones and those from git below them, the
//! locked crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use digest::{Digest, Hasher};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::git::{self, Checkouts};
use crate::locked::{CargoLock, FromGit, Locked};
use crate::manifest::{declared, dependency_tables, without_tests};
use crate::members::read_manifest;
use crate::prepare;
use crate::workspace::Workspace;

/// A package whose sources are compiled with the program: a local one, or one from git.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Which one from git it is.
    pub(crate) git: Option<FromGit>,
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
    /// Reads what `packages` are made of. Starts no program, unless a package is from git: cargo
    /// knows where that is.
    pub(crate) fn read(workspace: &Workspace, packages: &[&str]) -> Result<Self> {
        let Workspace { path, manifest: root, members: all, lock, left_out } = workspace;
        if let Some(package) = packages.iter().find(|package| !all.contains_key(**package)) {
            let (package, workspace) = ((*package).to_owned(), path.to_owned());
            return Err(Error::NoPackage { package, workspace });
        }

        let checkouts = Checkouts::of(path);
        let mut found: BTreeMap<String, Member> = BTreeMap::new();
        let mut inherited = BTreeSet::new();
        let mut locked = BTreeSet::new();
        let packages: Vec<String> = packages.iter().copied().map(str::to_owned).collect();
        let mut open: Vec<(String, Option<FromGit>)> =
            packages.iter().map(|name| (name.clone(), None)).collect();
        while let Some((name, git)) = open.pop() {
            if let Some(member) = found.get(&name) {
                match member.git == git {
                    true => continue,
                    false => return Err(Error::Twice { package: name }),
                }
            }
            let member = match &git {
                Some(package) => Member::from_git(package, &checkouts)?,
                // What is no member comes from the lock, or is found by nobody and refused by cargo.
                None => match all.get(&name) {
                    Some(directory) => Member::read(path, &name, directory, left_out)?,
                    None => continue,
                },
            };
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
            let source = git.as_ref().map(|package| package.source.as_str());
            let reached = lock.reached(&name, source, &needed)?;
            locked.extend(reached.crates);
            let from_git = reached.git.into_iter().map(|one| (one.name.clone(), Some(one)));
            let from_git: BTreeMap<_, _> = from_git.collect();
            let beside = lock.sources_of(&name, source).into_iter();
            let is_local = |it: &String| needed.contains(it) && !from_git.contains_key(it);
            open.extend(beside.filter(is_local).map(|name| (name, None)));
            open.extend(from_git);
            found.insert(name, member);
        }
        let mut manifest = root_manifest(root, &found, &inherited);
        point_at_packages_from_git(&mut found, &mut manifest, lock);
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
        let files = Sources { root: &root, left_out, is_foreign: false }.read()?;
        let directory = directory.to_owned();
        Ok(Self { name: name.to_owned(), git: None, directory, manifest, files })
    }

    fn from_git(package: &FromGit, checkouts: &Checkouts<'_>) -> Result<Self> {
        let root = checkouts.directory(package)?;
        let manifest = without_tests(git::manifest(&root)?);
        let left_out = &BTreeSet::new();
        let files = Sources { root: &root, left_out, is_foreign: true }.read()?;
        let name = package.name.clone();
        let directory = format!("{}/{name}", git::DIRECTORY);
        Ok(Self { name, git: Some(package.clone()), directory, manifest, files })
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

/// Where the sources of a package are read.
struct Sources<'a> {
    root: &'a Path,
    left_out: &'a BTreeSet<PathBuf>,
    /// Whether somebody else wrote them.
    is_foreign: bool,
}

impl Sources<'_> {
    /// build.rs and everything under src.
    fn read(&self) -> Result<Files> {
        let mut files = BTreeMap::new();
        let build = self.root.join("build.rs");
        if build.is_file() && !self.left_out.contains(&build) {
            self.add(Path::new("build.rs"), &mut files)?;
        }
        self.add_all(Path::new("src"), &mut files)?;
        Ok(files)
    }

    /// Adds the files below `directory`, relative to the root. Links are followed, as a compiler
    /// does.
    fn add_all(&self, directory: &Path, files: &mut Files) -> Result<()> {
        let path = self.root.join(directory);
        for entry in fs::read_dir(&path).map_err(Error::io("list", &path))? {
            let name = entry.map_err(Error::io("list", &path))?.file_name();
            let found = path.join(&name);
            if self.left_out.contains(&found) {
                continue;
            }
            if self.is_foreign && found.is_symlink() {
                git::check_link(self.root, &found)?;
            }
            if found.is_dir() {
                self.add_all(&directory.join(name), files)?;
            } else {
                self.add(&directory.join(name), files)?;
            }
        }
        Ok(())
    }

    fn add(&self, file: &Path, files: &mut Files) -> Result<()> {
        let path = self.root.join(file);
        if self.is_foreign && path.is_symlink() {
            git::check_link(self.root, &path)?;
        }
        files.insert(file.to_owned(), fs::read(&path).map_err(Error::io("read", &path))?);
        Ok(())
    }
}

/// Has every dependency on a package from git, and of those on members, lead to where the compiler
/// is given that package.
fn point_at_packages_from_git(
    members: &mut BTreeMap<String, Member>,
    root: &mut Table,
    lock: &CargoLock,
) {
    let place = |member: &Member| format!("{}/{}", prepare::BUILD, member.directory);
    let all: BTreeMap<String, (String, bool)> = members
        .values()
        .map(|member| (member.name.clone(), (place(member), member.git.is_some())))
        .collect();
    let from_git: BTreeMap<String, String> = all
        .iter()
        .filter(|(_, (_, is_from_git))| *is_from_git)
        .map(|(name, (place, _))| (name.clone(), place.clone()))
        .collect();
    if from_git.is_empty() {
        return;
    }
    for member in members.values_mut() {
        let source = member.git.as_ref().map(|package| package.source.as_str());
        let beside = lock.sources_of(&member.name, source).into_iter();
        // Members say themselves where others are.
        let places = beside.filter_map(|name| {
            let (place, is_from_git) = all.get(&name)?;
            (*is_from_git || source.is_some()).then(|| (name, place.clone()))
        });
        let places = places.collect();
        for dependencies in dependency_tables(&mut member.manifest) {
            git::from_places(dependencies, &places);
        }
    }
    let shared =
        root.get_mut("workspace").and_then(|it| it.get_mut("dependencies")?.as_table_mut());
    if let Some(shared) = shared {
        git::from_places(shared, &from_git);
    }
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
