//! From a request to a lock.

use std::collections::{BTreeMap, HashSet};

use digest::Digest;
use lock::debian::{Request, Wanted};
use lock::{FORMAT, Lock, Package};

use super::choice::{Candidates, Keep, candidates};
use super::index::SuiteIndex;
use super::marks::Marks;
use super::needs::Needs;
use super::suite::Of;
use super::universe::Universe;
use super::{Archive, Files};
use crate::resolve::complete;
use crate::solving::{Choice, Conflict, PackageId, RecordId, Root, solve, sweep};
use crate::{Error, extra};

/// Resolves a request against Debian's archive of its day. The previous lock keeps older indexes
/// out and hands on the ids of users and groups; its versions do not matter.
///
/// # Errors
/// When no index may stand for the day, a package is not there, or the request cannot be satisfied.
pub fn resolve(
    files: &dyn Files,
    request: &Request,
    previous: Option<&Lock>,
) -> Result<Lock, Error> {
    Archive::debian(files)?.resolve(request, previous)
}

/// As [`resolve`], but only the named packages move, and others as far as they need it: all else
/// stays at the version of the lock where the archive still has it.
///
/// # Errors
/// As [`resolve`]; also when a named package is not in the lock.
pub fn update(
    files: &dyn Files,
    request: &Request,
    lock: &Lock,
    packages: &[String],
) -> Result<Lock, Error> {
    Archive::debian(files)?.update(request, lock, packages)
}

impl Archive<'_> {
    /// See [`resolve`](fn@resolve).
    ///
    /// # Errors
    /// As there.
    pub fn resolve(&self, request: &Request, previous: Option<&Lock>) -> Result<Lock, Error> {
        let (indexes, with_own) = self.load(request, previous)?;
        lock(&indexes, &with_own, request.digest(), previous, None)
    }

    /// See [`update`](fn@update).
    ///
    /// # Errors
    /// As there.
    pub fn update(
        &self,
        request: &Request,
        previous: &Lock,
        packages: &[String],
    ) -> Result<Lock, Error> {
        let locked = |name: &String| previous.packages.iter().any(|package| package.name == *name);
        if let Some(name) = packages.iter().find(|name| !locked(name)) {
            return Err(Error::Request { what: format!("the lock has no package `{name}`") });
        }
        let keep = Keep { lock: previous, but: packages };
        let (indexes, with_own) = self.load(request, Some(previous))?;
        lock(&indexes, &with_own, request.digest(), Some(previous), Some(keep))
    }
}

fn lock(
    indexes: &[SuiteIndex],
    request: &Request,
    digest: Digest,
    previous: Option<&Lock>,
    keep: Option<Keep<'_>>,
) -> Result<Lock, Error> {
    let universe = Universe::read(indexes, request)?;
    let mut listed = request.extras.iter().flat_map(|it| it.packages.iter().map(move |p| (p, it)));
    // A mistyped name would leave its package to the distribution.
    if let Some((name, extra)) = listed.find(|(name, _)| universe.named(name).is_empty()) {
        let (place, name, suite) = (Some(extra.place.clone()), name.clone(), extra.name.clone());
        let suites = super::suite_names(&universe);
        return Err(Error::NotInSuite { place, name, suite, suites });
    }
    let candidates = candidates(&universe, request, keep)?;
    let solution = choose(&universe, request, &candidates)?;
    let mut packages: Vec<_> = solution.iter().map(|id| package(&universe, *id)).collect();
    packages.sort_by(|a, b| a.key().cmp(&b.key()));
    let lock = Lock {
        version: FORMAT,
        distribution: "debian".to_owned(),
        architecture: request.native().to_owned(),
        date: request.date,
        request: digest,
        indexes: indexes.iter().filter(|index| signed(index)).map(SuiteIndex::record).collect(),
        sources: extra::sources(&request.extras, request.date),
        packages,
        users: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    extra::check_replaced(&lock, previous)?;
    complete(lock, previous)
}

/// Whether an index is one that somebody has signed.
fn signed(index: &SuiteIndex) -> bool {
    index.suite.of != Of::Definition
}

/// Chooses among the candidates, and only where they do not fit together among more versions.
fn choose(
    universe: &Universe<'_>,
    request: &Request,
    candidates: &Candidates,
) -> Result<Vec<RecordId>, Error> {
    let mut first_conflict = None;
    for choice in [&candidates.narrow, &candidates.wide, &candidates.widest] {
        match attempt(universe, request, choice, &candidates.locked)? {
            Ok(solution) => return Ok(solution),
            // Where nothing helps, the conflict of the candidates is the one that is understood.
            Err(Conflict(explanation)) => first_conflict = first_conflict.or(Some(explanation)),
        }
    }
    Err(Error::Unsatisfiable { explanation: first_conflict.unwrap_or_default() })
}

fn attempt(
    universe: &Universe<'_>,
    request: &Request,
    choice: &Choice,
    locked: &HashSet<PackageId>,
) -> Result<Result<Vec<RecordId>, Conflict>, Error> {
    let needs = Needs::new(universe, choice, request, locked);
    let roots = roots(universe, request, choice)?;
    let first: Vec<_> = roots.iter().filter_map(|root| root.solutions.first().copied()).collect();
    let marks = Marks::walk(&needs, &first);
    let solved = solve(&needs, &roots, &marks.preferred())?;
    Ok(solved.map(|solution| {
        let of_roots = roots.iter().flat_map(|root| root.solutions.iter().copied());
        sweep(&needs, of_roots, &solution)
    }))
}

/// The essential packages, then what was asked for, each sorted by name: the order of a definition
/// decides nothing.
fn roots(universe: &Universe<'_>, request: &Request, choice: &Choice) -> Result<Vec<Root>, Error> {
    let mut roots = Vec::new();
    if request.essential {
        let mut names: Vec<_> = universe
            .packages
            .iter()
            .enumerate()
            .filter(|(_, package)| package.architecture == 0)
            .filter(|(id, _)| choice.of(*id).first().is_some_and(|id| universe.is_essential(*id)))
            .map(|(id, package)| (package.name, id))
            .collect();
        names.sort_unstable();
        roots.extend(names.into_iter().map(|(name, id)| Root {
            text: format!("{name} is essential"),
            solutions: choice.of(id).to_vec(),
        }));
    }
    let mut install: Vec<&Wanted> = request.install.iter().collect();
    install.sort();
    install.dedup();
    for wanted in install {
        roots.push(root(universe, request, choice, wanted)?);
    }
    Ok(roots)
}

fn root(
    universe: &Universe<'_>,
    request: &Request,
    choice: &Choice,
    wanted: &Wanted,
) -> Result<Root, Error> {
    let architecture = super::architecture(request, wanted)?;
    let real = universe.find(&wanted.name, architecture);
    let solutions = match real.map(|package| choice.of(package)) {
        Some(versions) if !versions.is_empty() => versions.to_vec(),
        // A virtual package will do where there is nothing to choose, as for apt.
        _ => match universe.providers(&wanted.name).as_slice() {
            [provider] => universe
                .find(provider, architecture)
                .map(|package| choice.of(package).to_vec())
                .unwrap_or_default(),
            _ => return Err(super::unknown_package(universe, request, &wanted.name)),
        },
    };
    let by = request.asked_by.get(&wanted.name).map(|by| format!(" by {by}")).unwrap_or_default();
    Ok(Root { text: format!("{wanted} is asked for{by}"), solutions })
}

fn package(universe: &Universe<'_>, id: RecordId) -> Package {
    let record = universe.record(id);
    let stanza = &record.stanza;
    Package {
        name: stanza.name.to_owned(),
        version: stanza.version.to_owned(),
        architecture: stanza.architecture.to_owned(),
        size: stanza.size,
        sha256: stanza.sha256,
        path: stanza.path.to_owned(),
        archive: universe.indexes[record.suites[0]].suite.archive.clone(),
        signature: None,
    }
}
