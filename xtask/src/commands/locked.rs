//! Locks that were just made, as programs read of them.

use jiff::civil::Date;
use lock::{Diff, Lock, Package};
use pipeline::locking::Relocked;
use sandbox::LockedGroup;
use serde::Serialize;

/// A server's lock and what became of it, for programs.
#[derive(Serialize)]
pub(super) struct OfServer<'a> {
    server: &'a str,
    #[serde(flatten)]
    summary: Summary<'a>,
}

impl<'a> OfServer<'a> {
    pub(super) fn new(server: &'a str, relocked: &'a Relocked) -> Self {
        Self { server, summary: Summary::new(&relocked.lock, &relocked.diff) }
    }
}

/// The same of a group of tools.
#[derive(Serialize)]
pub(super) struct OfTools<'a> {
    group: String,
    architecture: &'a str,
    #[serde(flatten)]
    summary: Summary<'a>,
}

impl<'a> OfTools<'a> {
    pub(super) fn new(group: &'a LockedGroup) -> Self {
        let summary = Summary::new(&group.lock, &group.diff);
        Self { group: group.group.to_string(), architecture: &group.architecture, summary }
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    date: Date,
    /// How many there are.
    packages: usize,
    /// Of all their files.
    bytes: u64,
    added: Vec<Version<'a>>,
    removed: Vec<Version<'a>>,
    changed: Vec<Change<'a>>,
}

#[derive(Serialize)]
struct Version<'a> {
    name: &'a str,
    architecture: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct Change<'a> {
    name: &'a str,
    architecture: &'a str,
    from: &'a str,
    to: &'a str,
}

impl<'a> Summary<'a> {
    fn new(lock: &Lock, diff: &'a Diff) -> Self {
        let version = |package: &'a Package| {
            let Package { name, architecture, version, .. } = package;
            Version { name, architecture, version }
        };
        let change = |(old, new): &'a (Package, Package)| Change {
            name: &new.name,
            architecture: &new.architecture,
            from: &old.version,
            to: &new.version,
        };
        Self {
            date: lock.date,
            packages: lock.packages.len(),
            bytes: lock.size(),
            added: diff.added.iter().map(version).collect(),
            removed: diff.removed.iter().map(version).collect(),
            changed: diff.changed.iter().map(change).collect(),
        }
    }
}
