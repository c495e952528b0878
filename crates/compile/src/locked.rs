//! `Cargo.lock`: which crates a package may be made of, and what their archives hash to
//! (Cargo reference, "Cargo.lock"; versions 3 and 4 of the format).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use digest::Digest;
use serde::Deserialize;

use crate::error::{Error, Result};

/// crates.io as lock entries name it.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A lock, with its entries by name.
#[derive(Debug)]
pub(crate) struct CargoLock {
    packages: BTreeMap<String, Vec<Entry>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Entry {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    /// `name`, `name version` or `name version (source)`: as much as tells it from others.
    #[serde(default)]
    dependencies: Vec<String>,
}

/// How the source of a package from git begins.
const GIT: &str = "git+";

/// A package from a git repository, whose commit the lock has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FromGit {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `git+URL#COMMIT`
    pub(crate) source: String,
}

/// What a package may be made of besides other members of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// From a registry, with all that these need.
    pub(crate) crates: BTreeSet<Locked>,
    /// From git. What these need is theirs to say.
    pub(crate) git: BTreeSet<FromGit>,
}

/// A crate from crates.io: name, version and sha256 of its archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) checksum: Digest,
}

impl CargoLock {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text).map_err(|error| Error::manifest(path, error))
    }

    fn parse(text: &str) -> std::result::Result<Self, toml::de::Error> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            package: Vec<Entry>,
        }
        let file: File = toml::from_str(text)?;
        let mut packages: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in file.package {
            packages.entry(entry.name.clone()).or_default().push(entry);
        }
        Ok(Self { packages })
    }

    /// Everything from elsewhere that the package `name` may be made of, when of its own
    /// dependencies just those in `wanted` count (the lock does not tell tests' from others'). For
    /// all platforms, so more than is compiled. `source` is that of a package from git, and none of
    /// a member.
    pub(crate) fn reached(
        &self,
        name: &str,
        source: Option<&str>,
        wanted: &BTreeSet<String>,
    ) -> Result<Reached> {
        let first = self.dependencies(name, source);
        let mut open: Vec<&Entry> = first.filter(|entry| wanted.contains(&entry.name)).collect();
        let mut seen = BTreeSet::new();
        let mut reached = Reached::default();
        while let Some(entry) = open.pop() {
            // A local package has a turn of its own.
            if entry.source.is_none() || !seen.insert((&entry.name, &entry.version)) {
                continue;
            }
            if let Some(package) = entry.as_from_git() {
                reached.git.insert(package);
                continue;
            }
            reached.crates.insert(entry.locked()?);
            open.extend(entry.dependencies.iter().filter_map(|spec| self.find(spec)));
        }
        Ok(reached)
    }

    /// The names of what a package depends on that is from no registry.
    pub(crate) fn sources_of(&self, name: &str, source: Option<&str>) -> BTreeSet<String> {
        let has_sources = |entry: &&Entry| entry.source.is_none() || entry.as_from_git().is_some();
        let found = self.dependencies(name, source).filter(has_sources);
        found.map(|entry| entry.name.clone()).collect()
    }

    fn dependencies(&self, name: &str, source: Option<&str>) -> impl Iterator<Item = &Entry> {
        let is_it = |entry: &&Entry| entry.source.as_deref() == source;
        let own = self.packages.get(name).into_iter().flatten().find(is_it);
        let specs = own.into_iter().flat_map(|entry| &entry.dependencies);
        specs.filter_map(|spec| self.find(spec))
    }

    fn find(&self, spec: &str) -> Option<&Entry> {
        let candidates = self.packages.get(name_of(spec))?;
        let mut words = spec.split(' ').skip(1);
        let (version, source) = (words.next(), words.next());
        // In parentheses, and of git without the commit.
        let source = source.map(|source| source.trim_matches(['(', ')']));
        candidates.iter().find(|entry| {
            version.is_none_or(|version| entry.version == version)
                && source
                    .is_none_or(|it| entry.source.as_deref().is_some_and(|s| s.starts_with(it)))
        })
    }
}

impl Entry {
    fn as_from_git(&self) -> Option<FromGit> {
        let source = self.source.clone().filter(|source| source.starts_with(GIT))?;
        Some(FromGit { name: self.name.clone(), version: self.version.clone(), source })
    }

    fn locked(&self) -> Result<Locked> {
        let from_elsewhere = |from: &str| Error::Source {
            package: format!("{} {}", self.name, self.version),
            from: from.to_owned(),
        };
        let source = self.source.as_deref().unwrap_or("nowhere");
        if source != CRATES_IO {
            return Err(from_elsewhere(source));
        }
        let checksum = self.checksum.as_deref().and_then(|hex| Digest::from_hex(hex).ok());
        let checksum = checksum.ok_or_else(|| from_elsewhere("a lock without checksums"))?;
        Ok(Locked { name: self.name.clone(), version: self.version.clone(), checksum })
    }
}

fn name_of(spec: &str) -> &str {
    spec.split(' ').next().unwrap_or(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(more: &str) -> CargoLock {
        let sum = "0".repeat(64);
        let registry = format!("source = \"{CRATES_IO}\"\nchecksum = \"{sum}\"");
        let text = format!(
            "version = 4\n\
             [[package]]\nname = \"init\"\nversion = \"0.1.0\"\n\
             dependencies = [\"digest\", \"proptest\", \"sha2 0.10.9\"]\n\
             [[package]]\nname = \"digest\"\nversion = \"0.1.0\"\ndependencies = [\"serde\"]\n\
             [[package]]\nname = \"sha2\"\nversion = \"0.10.9\"\n{registry}\ndependencies = [\"cfg-if\"]\n\
             [[package]]\nname = \"sha2\"\nversion = \"0.11.0\"\n{registry}\n\
             [[package]]\nname = \"cfg-if\"\nversion = \"1.0.0\"\n{registry}\n\
             [[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n{registry}\n\
             [[package]]\nname = \"proptest\"\nversion = \"1.0.0\"\n{registry}\n{more}"
        );
        CargoLock::parse(&text).unwrap()
    }

    fn names(lock: &CargoLock, member: &str, wanted: &[&str]) -> Vec<String> {
        let wanted = wanted.iter().map(|name| (*name).to_owned()).collect();
        let reached = lock.reached(member, None, &wanted).unwrap().crates;
        reached.into_iter().map(|locked| format!("{} {}", locked.name, locked.version)).collect()
    }

    #[test]
    fn what_is_wanted_is_reached_in_the_locked_version_and_nothing_else() {
        let lock = lock("");
        assert_eq!(names(&lock, "init", &["digest", "sha2"]), ["cfg-if 1.0.0", "sha2 0.10.9"]);
        assert_eq!(names(&lock, "digest", &["serde"]), ["serde 1.0.0"]);
        assert_eq!(names(&lock, "init", &[]), [""; 0]);
    }

    #[test]
    fn what_is_neither_from_crates_io_nor_from_git_is_refused() {
        let other = "[[package]]\nname = \"odd\"\nversion = \"1.0.0\"\nsource = \"registry+https://x\"\n\
                     [[package]]\nname = \"health\"\nversion = \"0.1.0\"\ndependencies = [\"odd\"]\n";
        let wanted = BTreeSet::from(["odd".to_owned()]);
        let error = lock(other).reached("health", None, &wanted).unwrap_err().to_string();
        assert!(error.contains("odd") && error.contains("registry+https://x"), "{error}");
    }

    #[test]
    fn what_is_from_git_is_told_from_others_of_its_name() {
        let lock = lock(
            "[[package]]\nname = \"greet\"\nversion = \"1.0.0\"\nsource = \"git+https://x#1\"\n\
             dependencies = [\"digest\", \"serde\"]\n\
             [[package]]\nname = \"greet\"\nversion = \"1.0.0\"\nsource = \"git+https://y#2\"\n\
             [[package]]\nname = \"server\"\nversion = \"0.1.0\"\n\
             dependencies = [\"greet 1.0.0 (git+https://x)\"]\n",
        );
        let wanted = BTreeSet::from(["greet".to_owned()]);
        let reached = lock.reached("server", None, &wanted).unwrap();
        let sources: Vec<_> = reached.git.iter().map(|package| &package.source).collect();
        assert_eq!(sources, ["git+https://x#1"]);
        assert!(reached.crates.is_empty());
        let greet = Some("git+https://x#1");
        assert_eq!(lock.sources_of("greet", greet), BTreeSet::from(["digest".to_owned()]));
        let wanted = BTreeSet::from(["digest".to_owned(), "serde".to_owned()]);
        assert_eq!(lock.reached("greet", greet, &wanted).unwrap().crates.len(), 1);
    }
}
