//! The resolver's choice is apt's: both are given the same indexes, and both name the same packages
//! in the same versions. apt comes from the tool root.

// Tells clippy that unwrapping is fine in all of this.
#![cfg(test)]

mod repository;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use archive::debian::{self, Request};
use archive::lock::Lock;
use libtest_mimic::{Arguments, Failed, Trial};

use repository::{Repository, System};
use sets::{BASE, IMPOSSIBLE, SERVERS, SETS, Set};

/// One set of versions, by package.
pub(crate) type Versions = BTreeMap<String, String>;

fn main() {
    sandbox::serve(&[]);
    let trials = |sets: &'static [Set], test: fn(&'static [&'static str]) -> Result<(), Failed>| {
        sets.iter().map(move |(name, packages)| {
            Trial::test(format!("apt: {name}"), move || test(packages))
        })
    };
    let all = trials(SERVERS, a_server_is_what_apt_installs_on_a_base_system)
        .chain(trials(SETS, a_choice_is_what_apt_installs_on_an_empty_system))
        .chain(trials(IMPOSSIBLE, what_apt_refuses_is_refused));
    libtest_mimic::run(&Arguments::from_args(), all.collect()).exit();
}

/// For what comes from another suite (`package/suite`) the essential packages have to be there, as
/// when an installer works: on an empty system apt thinks that no candidate can satisfy a
/// dependency, since nothing that the candidate needs is installed, and takes everything that it
/// can from that suite.
fn a_server_is_what_apt_installs_on_a_base_system(packages: &[&str]) -> Result<(), Failed> {
    let repository = Repository::shared()?;
    let asked: BTreeSet<_> = BASE.iter().chain(packages).copied().collect();
    let chosen = repository.apt(System::Base, asked.iter().copied())?;
    let expected = repository.base.clone().into_iter().chain(chosen).collect();
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
    let repository = Repository::shared()?;
    if let Ok(chosen) = repository.apt(System::Empty, packages.iter().copied()) {
        return Err(format!("apt takes {chosen:?}").into());
    }
    match repository.resolve(packages.iter().copied()) {
        Ok(lock) => Err(format!("we take {} packages", lock.packages.len()).into()),
        Err(_) => Ok(()),
    }
}

/// A request against the newest indexes that there are.
pub(crate) fn request<'p>(packages: impl IntoIterator<Item = &'p str>) -> Request {
    // A day after any mirror's.
    let mut request = Request::new("bookworm", "amd64", jiff::civil::date(2100, 1, 1));
    request.pockets =
        vec![debian::Pocket::Updates, debian::Pocket::Security, debian::Pocket::Backports];
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
