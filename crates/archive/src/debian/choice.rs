//! Which version of each package is taken: apt's candidate, unless the request or an earlier lock
//! says otherwise.

use std::collections::HashMap;

use super::request::Request;
use super::universe::{Choice, Package, PackageId, RecordId, Universe};
use crate::Error;
use crate::lock::Lock;

/// Versions that are settled before anything is solved.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// One version a package at most: what apt would look at.
    pub(crate) narrow: Choice,
    /// The same first, then the others that the suites have: looked at when the first do not fit.
    /// Packages that the request names with a version or pins have still just that one.
    pub(crate) wide: Choice,
}

/// Finds the candidates. `keep` gives the packages that stay at the version of a lock.
pub(crate) fn candidates(
    universe: &Universe<'_>,
    request: &Request,
    keep: Option<&Lock>,
) -> Result<Candidates, Error> {
    let mut forced = HashMap::new();
    let mut from_suites = Vec::new();
    for wanted in &request.install {
        let architecture = super::architecture(request, wanted)?;
        let Some(package) = universe.find(&wanted.name, architecture) else { continue };
        if let Some(version) = &wanted.version {
            let record = version_of(universe, request, package, version, false)?;
            forced.insert(package, record);
        } else if let Some(suite) = &wanted.suite {
            let record = suite_version(universe, request, package, suite)?;
            forced.insert(package, record);
            from_suites.push((record, suite.as_str()));
        }
    }
    for pin in &request.pins {
        let packages = universe.named(&pin.name);
        if packages.is_empty() {
            return Err(super::unknown_package(universe, request, &pin.name));
        }
        // With several architectures a version may be there for one of them only.
        let of_version: Vec<_> = packages
            .iter()
            .map(|package| version_of(universe, request, *package, &pin.version, true))
            .collect();
        if of_version.iter().all(Result::is_err) {
            of_version.into_iter().collect::<Result<Vec<_>, _>>()?;
        } else {
            for record in of_version.into_iter().flatten() {
                forced.insert(universe.record(record).package, record);
            }
        }
    }
    let mut narrow = Choice(
        (0..universe.packages.len())
            .map(|package| {
                let kept = || keep.and_then(|lock| locked_version(universe, lock, package));
                let forced = forced.get(&package).copied();
                let chosen = forced.or_else(kept).or_else(|| policy(universe, package));
                chosen.into_iter().collect()
            })
            .collect(),
    );
    for (record, suite) in from_suites {
        follow(universe, &forced, &mut narrow, record, suite)?;
    }
    let mut wide = narrow.clone();
    for (package, versions) in wide.0.iter_mut().enumerate() {
        if !forced.contains_key(&package) {
            let all = &universe.packages[package].versions;
            let others = all.iter().filter(|record| is_automatic(universe, **record));
            let others: Vec<_> = others.filter(|r| !versions.contains(r)).copied().collect();
            versions.extend(others);
        }
    }
    Ok(Candidates { narrow, wide })
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
fn is_automatic(universe: &Universe<'_>, record: RecordId) -> bool {
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
    let wanted: super::Version = version.parse().map_err(super::WantedError::from)?;
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
    request: &Request,
    package: PackageId,
    suite: &str,
) -> Result<RecordId, Error> {
    in_suite(universe, package, suite).ok_or_else(|| Error::NotInSuite {
        name: universe.packages[package].name.to_owned(),
        suite: suite.to_owned(),
        suites: super::Suite::of(request)
            .into_iter()
            .map(|suite| suite.name)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// The newest version of a package in a suite.
fn in_suite(universe: &Universe<'_>, package: PackageId, suite: &str) -> Option<RecordId> {
    let versions = &universe.packages[package].versions;
    versions.iter().copied().find(|record| {
        let suites = &universe.record(*record).suites;
        suites.iter().any(|at| universe.indexes[*at].is_called(suite))
    })
}

fn locked_version(universe: &Universe<'_>, lock: &Lock, package: PackageId) -> Option<RecordId> {
    let Package { name, architecture, versions, .. } = &universe.packages[package];
    let locked = lock.packages.iter().find(|locked| {
        let native = ["all", &universe.architectures[0]].contains(&&*locked.architecture);
        locked.name == *name
            && (locked.architecture == universe.architectures[*architecture]
                || *architecture == 0 && native)
    })?;
    versions.iter().copied().find(|record| universe.record(*record).stanza.sha256 == locked.sha256)
}

/// A package taken from a suite takes its dependencies from there too, where the candidates so far
/// do not satisfy them; and so on for theirs.
fn follow(
    universe: &Universe<'_>,
    forced: &HashMap<PackageId, RecordId>,
    choice: &mut Choice,
    start: RecordId,
    suite: &str,
) -> Result<(), Error> {
    let of_suite = Choice(
        (0..universe.packages.len())
            .map(|package| in_suite(universe, package, suite).into_iter().collect())
            .collect(),
    );
    let mut queue = vec![start];
    while let Some(record) = queue.pop() {
        let architecture = universe.packages[universe.record(record).package].architecture;
        for (group, _) in universe.needs(record, false)? {
            if group.iter().any(|r| !universe.satisfiers(r, architecture, choice).is_empty()) {
                continue;
            }
            let switched = group
                .iter()
                .flat_map(|relation| universe.satisfiers(relation, architecture, &of_suite))
                .find(|found| !forced.contains_key(&universe.record(*found).package));
            if let Some(found) = switched {
                choice.0[universe.record(found).package] = vec![found];
                queue.push(found);
            }
        }
    }
    Ok(())
}
