//! Which version of each package is taken: apt's candidate, unless the request or an earlier lock
//! says otherwise.

use std::collections::{HashMap, HashSet};

use lock::Lock;
use lock::debian::{Request, Version, WantedError};

use super::follow::follow;
use super::universe::{Package, Universe};
use crate::Error;
use crate::solving::{Choice, PackageId, RecordId};

/// What of a lock stays as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep<'l> {
    pub(crate) lock: &'l Lock,
    /// Packages that are to move all the same.
    pub(crate) but: &'l [String],
}

/// Versions to choose from, in three widths: the next is looked at when nothing in the one before
/// fits together.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// One version a package at most: what apt would look at.
    pub(crate) narrow: Choice,
    /// The same first, then the other versions that the suites have. Packages that the request
    /// pins or names with a version have still just that one, and so have those that are to move.
    pub(crate) wide: Choice,
    /// The same, but packages that are to move may also stay.
    pub(crate) widest: Choice,
    /// The packages of a lock of which as little as can be is changed.
    pub(crate) locked: HashSet<PackageId>,
}

/// Finds the candidates.
pub(crate) fn candidates(
    universe: &Universe<'_>,
    request: &Request,
    keep: Option<Keep<'_>>,
) -> Result<Candidates, Error> {
    let mut settled = Settled::default();
    let kept = keep.map(|keep| locked_versions(universe, keep)).unwrap_or_default();
    settled.pinned(universe, request)?;
    settled.named_with_version(universe, request)?;
    let mut narrow = Choice(
        (0..universe.packages.len())
            .map(|package| {
                let chosen = settled.versions.get(&package).or_else(|| kept.get(&package));
                chosen.copied().or_else(|| policy(universe, package)).into_iter().collect()
            })
            .collect(),
    );
    let named = named_with_suite(universe, request)?;
    // All of them before what they need: that may be one of the others.
    for (package, suite) in &named {
        if !settled.versions.contains_key(package) {
            let stays = kept.get(package).copied().filter(|it| is_of(universe, *it, suite));
            let record = match stays {
                Some(record) => record,
                None => suite_version(universe, *package, suite)?,
            };
            settled.versions.insert(*package, record);
            narrow.0[*package] = vec![record];
        }
    }
    for (package, suite) in named {
        // A pin may hold a version of another suite.
        if let Some(record) = settled.versions.get(&package).copied()
            && is_of(universe, record, suite)
        {
            follow(universe, request, &settled.versions, &mut narrow, record, suite)?;
        }
    }
    let widest = widen(universe, &narrow, |package| settled.versions.contains_key(&package));
    let moving: HashSet<_> = keep
        .iter()
        .flat_map(|keep| keep.but)
        .flat_map(|name| universe.named(name))
        .copied()
        .collect();
    let mut wide = widest.clone();
    for package in moving {
        wide.0[package].truncate(1);
    }
    let locked = keep
        .iter()
        .flat_map(|keep| &keep.lock.packages)
        .flat_map(|package| universe.named(&package.name))
        .copied()
        .collect();
    Ok(Candidates { narrow, wide, widest, locked })
}

/// Versions that the request settles.
#[derive(Debug, Default)]
struct Settled {
    versions: HashMap<PackageId, RecordId>,
}

impl Settled {
    fn pinned(&mut self, universe: &Universe<'_>, request: &Request) -> Result<(), Error> {
        for pin in &request.pins {
            let packages = universe.named(&pin.name);
            if packages.is_empty() {
                return Err(super::unknown_package(universe, request, &pin.name));
            }
            let mut of_version = packages
                .iter()
                .map(|package| version_of(universe, request, *package, &pin.version, true))
                .collect::<Vec<_>>();
            // With several architectures a version may be there for one of them only.
            if of_version.iter().any(Result::is_ok) {
                of_version.retain(Result::is_ok);
            }
            for record in of_version {
                let record = record?;
                self.versions.insert(universe.record(record).package, record);
            }
        }
        Ok(())
    }

    fn named_with_version(
        &mut self,
        universe: &Universe<'_>,
        request: &Request,
    ) -> Result<(), Error> {
        for wanted in &request.install {
            let architecture = super::architecture(request, wanted)?;
            if let Some(version) = &wanted.version
                && let Some(package) = universe.find(&wanted.name, architecture)
            {
                let record = version_of(universe, request, package, version, false)?;
                // A pin wins over all.
                self.versions.entry(package).or_insert(record);
            }
        }
        Ok(())
    }
}

/// Packages that the request wants from a suite, with its name.
fn named_with_suite<'r>(
    universe: &Universe<'_>,
    request: &'r Request,
) -> Result<Vec<(PackageId, &'r str)>, Error> {
    let mut named = Vec::new();
    for wanted in &request.install {
        let architecture = super::architecture(request, wanted)?;
        if let (Some(suite), None) = (&wanted.suite, &wanted.version)
            && let Some(package) = universe.find(&wanted.name, architecture)
        {
            named.push((package, suite.as_str()));
        }
    }
    named.sort_unstable();
    Ok(named)
}

/// Adds to each choice the other versions of the suites that are taken without being asked for.
fn widen(
    universe: &Universe<'_>,
    narrow: &Choice,
    is_settled: impl Fn(PackageId) -> bool,
) -> Choice {
    let mut wide = narrow.clone();
    for (package, versions) in wide.0.iter_mut().enumerate() {
        if !is_settled(package) {
            let all = universe.packages[package].versions.iter().copied();
            let others = all.filter(|record| is_automatic(universe, *record));
            let others: Vec<_> = others.filter(|record| !versions.contains(record)).collect();
            versions.extend(others);
        }
    }
    wide
}

/// apt's candidate of a package: the newest version of the suites that are not `NotAutomatic`, and
/// of those that are when no other suite has it (apt_preferences(5): 500 against 100).
fn policy(universe: &Universe<'_>, package: PackageId) -> Option<RecordId> {
    let versions = &universe.packages[package].versions;
    versions
        .iter()
        .find(|record| is_automatic(universe, **record))
        .or_else(|| versions.first())
        .copied()
}

/// Whether a version is in a suite whose packages are taken without being asked for.
pub(super) fn is_automatic(universe: &Universe<'_>, record: RecordId) -> bool {
    let suites = &universe.record(record).suites;
    suites.iter().any(|suite| !universe.indexes[*suite].release.not_automatic)
}

fn version_of(
    universe: &Universe<'_>,
    request: &Request,
    package: PackageId,
    version: &str,
    pinned: bool,
) -> Result<RecordId, Error> {
    let package = &universe.packages[package];
    let wanted: Version = version.parse().map_err(WantedError::from)?;
    let found = package.versions.iter().find(|record| universe.record(**record).version == wanted);
    found.copied().ok_or_else(|| Error::UnknownVersion {
        name: package.name.to_owned(),
        version: version.to_owned(),
        suites: super::suite_names(universe),
        date: request.date,
        available: package
            .versions
            .iter()
            .map(|record| universe.record(*record).stanza.version.to_owned())
            .collect(),
        pinned,
    })
}

fn suite_version(
    universe: &Universe<'_>,
    package: PackageId,
    suite: &str,
) -> Result<RecordId, Error> {
    in_suite(universe, package, suite).ok_or_else(|| Error::NotInSuite {
        place: None,
        name: universe.packages[package].name.to_owned(),
        suite: suite.to_owned(),
        suites: super::suite_names(universe),
    })
}

/// The newest version of a package in a suite.
pub(super) fn in_suite(
    universe: &Universe<'_>,
    package: PackageId,
    suite: &str,
) -> Option<RecordId> {
    let versions = &universe.packages[package].versions;
    versions.iter().copied().find(|record| is_of(universe, *record, suite))
}

/// Whether a suite has a version.
pub(super) fn is_of(universe: &Universe<'_>, record: RecordId, suite: &str) -> bool {
    let suites = &universe.record(record).suites;
    suites.iter().any(|at| universe.indexes[*at].is_called(suite))
}

/// The versions of a lock that the archive still has, but for the packages that are to move.
fn locked_versions(universe: &Universe<'_>, keep: Keep<'_>) -> HashMap<PackageId, RecordId> {
    let stays = keep.lock.packages.iter().filter(|locked| !keep.but.contains(&locked.name));
    let mut versions = HashMap::new();
    for locked in stays {
        for package in universe.named(&locked.name) {
            let Package { versions: all, architecture, .. } = &universe.packages[*package];
            let is_its = locked.architecture == universe.architectures[*architecture]
                || (*architecture == 0 && locked.architecture == "all");
            let same = |id: &RecordId| universe.record(*id).stanza.sha256 == locked.sha256;
            if let Some(record) = all.iter().copied().find(same).filter(|_| is_its) {
                versions.insert(*package, record);
            }
        }
    }
    versions
}
