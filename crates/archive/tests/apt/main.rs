//! The resolver's choice is apt's: both are given the same indexes, and both name the same packages
//! in the same versions. apt comes from the tool root.

// Tells clippy that unwrapping is fine in all of this.
#![cfg(test)]

mod extras;
mod order;
mod repository;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use definition::{Distribution, Server, Workspace};
use libtest_mimic::{Arguments, Failed, Trial};
use lock::Lock;
use lock::debian::{Pocket, Request};

use repository::{Repository, System};
use sets::{BACKPORTS, IMPOSSIBLE, SETS, Set, TIED, UNKNOWN, VERSIONS};

/// One set of versions, by package.
pub(crate) type Versions = BTreeMap<String, String>;

/// What apt says when it finds no packages that fit together.
const GIVEN_UP: &str = "E: Unable to correct problems";

fn main() {
    sandbox::serve(&[]);
    let trials = |sets: &'static [Set], test: fn(&'static [&'static str]) -> Result<(), Failed>| {
        sets.iter().map(move |(name, packages)| {
            Trial::test(format!("apt: {name}"), move || test(packages))
        })
    };
    let servers = servers().into_iter().map(|server| {
        Trial::test(format!("apt: {}", server.name), move || {
            a_server_is_what_apt_installs_on_a_base_system(&server)
        })
    });
    let versions = VERSIONS.iter().map(|name| {
        let test = || a_version_is_what_apt_installs_on_a_base_system(name);
        Trial::test(format!("apt: each version of {name}"), test)
    });
    let unknown =
        Trial::test(format!("apt: {}", UNKNOWN.0), || what_apt_does_not_know_is_unknown(UNKNOWN.1));
    let tied = Trial::test(
        format!("apt: each version of {} with its {}", TIED.0, TIED.1),
        a_version_brings_what_apt_has_to_be_told,
    );
    let order =
        Trial::test("apt: the order of versions", order::versions_are_ordered_as_apt_orders_them);
    let extras = Trial::test(
        "apt: a repository beside Debian's",
        extras::a_repository_is_taken_from_as_apt_takes_by_its_preferences,
    );
    let all = servers
        .chain(trials(BACKPORTS, backports_bring_what_apt_takes_from_there))
        .chain(versions)
        .chain([tied, order, extras])
        .chain(trials(SETS, a_choice_is_what_apt_installs_on_an_empty_system))
        .chain(trials(IMPOSSIBLE, what_apt_refuses_is_refused))
        .chain([unknown]);
    libtest_mimic::run(&Arguments::from_args(), all.collect()).exit();
}

/// The servers of this workspace that apt could install, as they are defined.
fn servers() -> Vec<Server> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let workspace = Workspace::load(&workspace).unwrap();
    let servers = workspace.servers().into_iter().map(|name| workspace.server(name).unwrap());
    let is_debian =
        |server: &Server| matches!(server.archive.distribution, Distribution::Debian(_));
    let servers: Vec<_> = servers.filter(is_debian).collect();
    assert!(!servers.is_empty());
    servers
}

/// For what comes from another suite (`package/suite`) the essential packages have to be there, as
/// when an installer works: on an empty system apt thinks that no candidate can satisfy a
/// dependency, since nothing that the candidate needs is installed, and takes everything that it
/// can from that suite.
fn a_server_is_what_apt_installs_on_a_base_system(server: &Server) -> Result<(), Failed> {
    let asked: BTreeSet<_> = server.install.iter().map(ToString::to_string).collect();
    is_what_apt_adds_to_a_base_system(asked.iter().map(String::as_str).collect())
}

fn a_version_is_what_apt_installs_on_a_base_system(name: &str) -> Result<(), Failed> {
    let versions = Repository::shared()?.versions(name)?;
    if versions.len() < 2 {
        return Err(format!("{name} is no example any more: {versions:?}").into());
    }
    for version in versions {
        is_what_apt_adds_to_a_base_system([&*format!("{name}={version}")].into())?;
    }
    Ok(())
}

/// The one difference that is meant: apt gives up where a version needs another version of a package
/// than it would prefer, until that is named too. The resolver finds it by itself, but for what only
/// a suite has that nothing is taken from unasked.
fn a_version_brings_what_apt_has_to_be_told() -> Result<(), Failed> {
    let repository = Repository::shared()?;
    let mut found = 0;
    for version in repository.versions(TIED.0)? {
        let (one, other) = (format!("{}={version}", TIED.0), format!("{}={version}", TIED.1));
        is_what_apt_adds_to_a_base_system([&*one, &*other].into())?;
        match repository.apt(System::Base, [&*one]) {
            Ok(_) => is_what_apt_adds_to_a_base_system([&*one].into())?,
            Err(said) if said.contains(GIVEN_UP) => match repository.resolve([&*one]) {
                Ok(lock) => {
                    compare(&lock, &repository.with_base([&*one, &*other])?)?;
                    found += 1;
                }
                Err(archive::Error::Unsatisfiable { .. }) if version.contains("~bpo") => {}
                Err(error) => return Err(error.into()),
            },
            Err(said) => return Err(format!("apt fails otherwise: {said}").into()),
        }
    }
    if found == 0 {
        return Err(format!("{} is no example any more", TIED.0).into());
    }
    Ok(())
}

fn is_what_apt_adds_to_a_base_system(asked: BTreeSet<&str>) -> Result<(), Failed> {
    adds_the_same(Repository::shared()?, asked)
}

/// What is asked for from backports, and what of it is there alone.
fn backports_bring_what_apt_takes_from_there(packages: &[&str]) -> Result<(), Failed> {
    let asked: Vec<_> = packages.iter().map(|name| format!("{name}/trixie-backports")).collect();
    adds_the_same(Repository::of_trixie()?, asked.iter().map(String::as_str).collect())
}

fn adds_the_same(repository: &Repository, asked: BTreeSet<&str>) -> Result<(), Failed> {
    let expected = repository.with_base(asked.iter().copied())?;
    compare(&repository.resolve(asked)?, &expected)
}

fn a_choice_is_what_apt_installs_on_an_empty_system(packages: &[&str]) -> Result<(), Failed> {
    let repository = Repository::shared()?;
    // The resolver looks at essential packages first, and at each part in the order of its names.
    let essential = repository.essential.iter().map(String::as_str);
    let others: BTreeSet<_> =
        packages.iter().copied().filter(|name| !repository.essential.contains(*name)).collect();
    let expected = repository.apt(System::Empty, essential.chain(others))?;
    compare(&repository.resolve(packages.iter().copied())?, &expected)
}

fn what_apt_refuses_is_refused(packages: &[&str]) -> Result<(), Failed> {
    refused(packages, GIVEN_UP, |error| matches!(error, archive::Error::Unsatisfiable { .. }))
}

fn what_apt_does_not_know_is_unknown(packages: &[&str]) -> Result<(), Failed> {
    let unknown = packages.last().unwrap();
    refused(
        packages,
        &format!("E: Unable to locate package {unknown}"),
        |error| matches!(error, archive::Error::UnknownPackage { name, .. } if name == unknown),
    )
}

/// Both refuse, and for the same reason: apt says `text`, and ours is an error that `is_that` knows.
fn refused(
    packages: &[&str],
    text: &str,
    is_that: impl Fn(&archive::Error) -> bool,
) -> Result<(), Failed> {
    let repository = Repository::shared()?;
    match repository.apt(System::Empty, packages.iter().copied()) {
        Ok(chosen) => return Err(format!("apt takes {chosen:?}").into()),
        Err(said) if said.contains(text) => {}
        Err(said) => return Err(format!("apt fails otherwise: {said}").into()),
    }
    match repository.resolve(packages.iter().copied()) {
        Ok(lock) => Err(format!("we take {} packages", lock.packages.len()).into()),
        Err(error) if is_that(&error) => Ok(()),
        Err(error) => Err(format!("we fail otherwise: {error}").into()),
    }
}

/// A request against the newest indexes that there are.
pub(crate) fn request<'p>(release: &str, packages: impl IntoIterator<Item = &'p str>) -> Request {
    // The archive as it is: on a later day it would not be valid any more.
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut request = Request::new(release, "amd64", today);
    request.pockets = vec![Pocket::Updates, Pocket::Security, Pocket::Backports];
    request.install = packages.into_iter().map(|name| name.parse().unwrap()).collect();
    request
}

fn compare(lock: &Lock, apt: &Versions) -> Result<(), Failed> {
    let ours: Versions =
        lock.packages.iter().map(|p| (p.name.clone(), p.version.clone())).collect();
    let mut text = String::new();
    for name in ours.keys().chain(apt.keys()).collect::<BTreeSet<_>>() {
        let (ours, apt) = (ours.get(name), apt.get(name));
        if ours != apt {
            let version = |of: Option<&String>| of.map_or("nothing".to_owned(), Clone::clone);
            writeln!(text, "{name}: apt takes {}, we take {}", version(apt), version(ours))?;
        }
    }
    if text.is_empty() { Ok(()) } else { Err(text.into()) }
}
