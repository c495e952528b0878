//! What one lock has and another has not.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Lock, Package};

/// The difference between two locks, each list sorted by name and architecture.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Diff {
    /// Packages that only the new lock has.
    pub added: Vec<Package>,
    /// Packages that only the old lock has.
    pub removed: Vec<Package>,
    /// Packages whose file is another: the old one and the new one.
    pub changed: Vec<(Package, Package)>,
}

/// A package of which there is another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outdated {
    /// The package's name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// The version that is locked.
    pub locked: String,
    /// The version that a newer lock would have; none when it would not need the package.
    pub available: Option<String>,
}

impl Diff {
    /// From no lock or an old one to a new one.
    pub fn between(old: Option<&Lock>, new: &Lock) -> Self {
        let by_key = |lock: Option<&Lock>| -> BTreeMap<(String, String), Package> {
            let packages = lock.into_iter().flat_map(|lock| &lock.packages);
            packages.map(|p| ((p.name.clone(), p.architecture.clone()), p.clone())).collect()
        };
        let mut left = by_key(old);
        let mut diff = Self::default();
        for (key, package) in by_key(Some(new)) {
            match left.remove(&key) {
                None => diff.added.push(package),
                Some(was) if was.sha256 != package.sha256 => diff.changed.push((was, package)),
                Some(_) => {}
            }
        }
        diff.removed = left.into_values().collect();
        diff
    }

    /// Whether both have the same files.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl fmt::Display for Diff {
    /// One line a package: `+ name version`, `- name version`, `~ name old -> new`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = BTreeMap::new();
        for package in &self.added {
            lines.insert(package.key(), format!("+ {} {}", package.name, package.version));
        }
        for package in &self.removed {
            lines.insert(package.key(), format!("- {} {}", package.name, package.version));
        }
        for (old, new) in &self.changed {
            let line = format!("~ {} {} -> {}", new.name, old.version, new.version);
            lines.insert(new.key(), line);
        }
        let lines: Vec<_> = lines.into_values().collect();
        f.write_str(&lines.join("\n"))
    }
}

/// The packages of a lock that a newer lock of the same request has in another version, or has no
/// more.
pub fn outdated(lock: &Lock, newer: &Lock) -> Vec<Outdated> {
    let newer: BTreeMap<_, _> = newer.packages.iter().map(|p| (p.key(), p)).collect();
    lock.packages
        .iter()
        .filter_map(|package| {
            let available = newer.get(&package.key()).map(|p| p.version.clone());
            (available.as_ref() != Some(&package.version)).then(|| Outdated {
                name: package.name.clone(),
                architecture: package.architecture.clone(),
                locked: package.version.clone(),
                available,
            })
        })
        .collect()
}
