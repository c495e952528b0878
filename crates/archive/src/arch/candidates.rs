//! Which version of each package is taken: that of the first repository which has one, unless the
//! request or an earlier lock says otherwise.

use std::collections::{HashMap, HashSet};

use lock::arch::{Request, compare};
use lock::{Lock, OWN};

use super::names::unknown_package;
use super::repository::{ARCHIVE, Repository};
use super::universe::Universe;
use crate::Error;
use crate::solving::{Choice, PackageId, RecordId};

/// What of a lock stays as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep<'l> {
    pub(crate) lock: &'l Lock,
    /// Packages that are to move all the same.
    pub(crate) but: &'l [String],
}

impl<'l> Keep<'l> {
    /// The packages that stay.
    pub(crate) fn packages(self) -> impl Iterator<Item = &'l lock::Package> {
        self.lock.packages.iter().filter(move |package| !self.but.contains(&package.name))
    }
}

/// Versions to choose from, in two widths: the second is looked at when nothing in the first fits
/// together.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// What the repositories have, in their order. What is pinned, named with a version or a
    /// repository, or stays as an earlier lock has it, is there in that version alone.
    pub(crate) narrow: Choice,
    /// The same, but what stays as it was comes first and may move.
    pub(crate) wide: Option<Choice>,
    /// The packages of a lock of which as little as can be is changed.
    pub(crate) locked: HashSet<PackageId>,
}

/// Finds the candidates.
pub(crate) fn candidates(
    universe: &Universe<'_>,
    request: &Request,
    keep: Option<Keep<'_>>,
) -> Result<Candidates, Error> {
    let settled = settled(universe, request)?;
    let kept = keep.map(|keep| kept(universe, keep)).unwrap_or_default();
    let in_repositories = |package: PackageId| {
        let versions = universe.packages[package].versions.iter().copied();
        versions.filter(|id| {
            let record = universe.record(*id);
            record.repository.is_some() || record.archive == OWN
        })
    };
    let all = 0..universe.packages.len();
    let narrow = Choice(
        all.clone()
            .map(|package| match (settled.get(&package), kept.get(&package)) {
                (Some(settled), _) => settled.clone(),
                (None, Some(kept)) => vec![*kept],
                (None, None) => in_repositories(package).collect(),
            })
            .collect(),
    );
    let wide = keep.map(|_| {
        let mut wide = narrow.clone();
        for (package, versions) in wide.0.iter_mut().enumerate() {
            if !settled.contains_key(&package) && kept.contains_key(&package) {
                let others: Vec<_> =
                    in_repositories(package).filter(|id| !versions.contains(id)).collect();
                versions.extend(others);
            }
        }
        wide
    });
    let locked = keep
        .iter()
        .flat_map(|keep| &keep.lock.packages)
        .filter_map(|package| universe.find(&package.name))
        .collect();
    Ok(Candidates { narrow, wide, locked })
}

/// The versions that the request settles: a pin wins over a version that is named, that over a
/// repository.
fn settled(
    universe: &Universe<'_>,
    request: &Request,
) -> Result<HashMap<PackageId, Vec<RecordId>>, Error> {
    let mut settled = HashMap::new();
    for pin in &request.pins {
        let package = universe
            .find(&pin.name)
            .ok_or_else(|| unknown_package(universe, request, &pin.name))?;
        settled.insert(package, of_version(universe, request, package, &pin.version, true)?);
    }
    for wanted in &request.install {
        let Some(package) = universe.find(&wanted.name) else { continue };
        if let Some(version) = &wanted.version
            && !settled.contains_key(&package)
        {
            settled.insert(package, of_version(universe, request, package, version, false)?);
        }
    }
    for wanted in &request.install {
        let Some(repository) = &wanted.repository else { continue };
        let at = request.all_repositories().position(|name| name == repository);
        let at = at.ok_or_else(|| not_in_repository(request, &wanted.name, repository))?;
        let Some(package) = universe.find(&wanted.name) else { continue };
        let versions = universe.packages[package].versions.iter().copied();
        let there = versions.filter(|id| universe.record(*id).repository == Some(at));
        let there: Vec<_> = there.collect();
        if !there.is_empty() {
            settled.entry(package).or_insert(there);
        }
    }
    Ok(settled)
}

/// The error for a repository that does not have what is asked of it.
pub(crate) fn not_in_repository(request: &Request, name: &str, repository: &str) -> Error {
    let extra = request.extras.iter().find(|extra| extra.name == *repository);
    Error::NotInSuite {
        place: extra.map(|extra| extra.place.clone()),
        name: name.to_owned(),
        suite: repository.to_owned(),
        suites: request.repository_names(),
    }
}

fn of_version(
    universe: &Universe<'_>,
    request: &Request,
    package: PackageId,
    version: &str,
    pinned: bool,
) -> Result<Vec<RecordId>, Error> {
    let package = &universe.packages[package];
    let version_of = |id: &RecordId| universe.record(*id).entry.about.version.as_str();
    let found = package.versions.iter().copied();
    let found: Vec<_> = found.filter(|id| compare(version_of(id), version).is_eq()).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    Err(Error::UnknownVersion {
        name: package.name.to_owned(),
        version: version.to_owned(),
        suites: request.repository_names(),
        date: request.date,
        available: package.versions.iter().map(|id| version_of(id).to_owned()).collect(),
        pinned,
    })
}

/// The files of a lock that there still are, but for the packages that are to move.
fn kept(universe: &Universe<'_>, keep: Keep<'_>) -> HashMap<PackageId, RecordId> {
    let kept = keep.packages().filter_map(|locked| {
        let package = universe.find(&locked.name)?;
        let versions = universe.packages[package].versions.iter().copied();
        let mut same = versions.filter(|id| universe.record(*id).entry.sha256 == locked.sha256);
        Some((package, same.next()?))
    });
    kept.collect()
}

/// The version at which a package is held: by a pin, or because it stays as it is locked.
pub(crate) fn held_at<'r>(
    request: &'r Request,
    keep: Option<Keep<'r>>,
    name: &str,
) -> Option<&'r str> {
    let pin = request.pins.iter().find(|pin| pin.name == name);
    let kept = || keep?.packages().find(|package| package.name == name);
    pin.map(|pin| pin.version.as_str()).or_else(|| Some(kept()?.version.as_str()))
}

/// Names and versions that are held and that no repository has.
pub(crate) fn not_in_repositories<'r>(
    repositories: &'r [Repository],
    request: &'r Request,
    keep: Option<Keep<'r>>,
) -> impl Iterator<Item = (&'r str, &'r str)> + use<'r> {
    let pins = request.pins.iter().map(|pin| (pin.name.as_str(), pin.version.as_str()));
    let kept = keep.into_iter().flat_map(Keep::packages);
    let kept = kept.filter(|package| package.archive == ARCHIVE);
    let kept = kept.map(|package| (package.name.as_str(), package.version.as_str()));
    let kept = kept.filter(|(name, _)| !request.pins.iter().any(|pin| pin.name == *name));
    let mut versions: HashMap<&str, Vec<&str>> = HashMap::new();
    for entry in repositories.iter().flat_map(|repository| &repository.database.entries) {
        versions.entry(&entry.about.name).or_default().push(&entry.about.version);
    }
    let is_there = move |name: &str, version: &str| {
        let versions = versions.get(name).into_iter().flatten();
        versions.copied().any(|there| compare(there, version).is_eq())
    };
    pins.chain(kept).filter(move |(name, version)| !is_there(name, version))
}
