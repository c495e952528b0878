//! From a request to the packages that answer it.

use std::collections::{BTreeSet, HashSet};

use lock::arch::{KEYRING, Request, Wanted};

use super::candidates::{Candidates, Keep, candidates, not_in_repository};
use super::names::unknown_package;
use super::needs::Needs;
use super::relation::{Operator, Relation};
use super::universe::Universe;
use super::walk::Walk;
use crate::Error;
use crate::solving::{Choice, Conflict, PackageId, RecordId, Root, solve, sweep};

/// Chooses among the candidates, and only where they do not fit together among more versions.
pub(crate) fn choose(
    universe: &Universe<'_>,
    request: &Request,
    keep: Option<Keep<'_>>,
) -> Result<Vec<RecordId>, Error> {
    let Candidates { narrow, wide, locked } = candidates(universe, request, keep)?;
    let mut first_conflict = None;
    for choice in [Some(narrow), wide].into_iter().flatten() {
        match attempt(universe, request, &choice, &locked)? {
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
    let assumed = request.assume_installed.iter().map(|name| {
        Relation::parse(name).ok_or_else(|| Error::Request {
            what: format!("{name:?}, taken for installed, is not the name of a package"),
        })
    });
    let assumed: Vec<_> = assumed.collect::<Result<_, _>>()?;
    let needs = Needs::new(universe, choice, &assumed, locked);
    let mut roots = roots(&needs, request)?;
    let targets: Vec<_> = roots.iter().filter_map(|root| root.solutions.first().copied()).collect();
    let walked = Walk::from(&needs, &targets);
    let preferred = walked.preferred;
    if preferred.complete {
        // A target that made way for one that provides it is there by that.
        for solution in roots.iter_mut().flat_map(|root| &mut root.solutions) {
            while let Some(stays) = walked.replaced.get(solution) {
                *solution = *stays;
            }
        }
    }
    let solved = solve(&needs, &roots, &preferred)?;
    Ok(solved.map(|mut solution| {
        solution.sort_unstable();
        if preferred.complete {
            return solution;
        }
        let of_roots = roots.iter().flat_map(|root| root.solutions.iter().copied());
        sweep(&needs, of_roots, &solution)
    }))
}

/// What was asked for, sorted by name: the order of a definition decides nothing.
fn roots(needs: &Needs<'_, '_>, request: &Request) -> Result<Vec<Root>, Error> {
    let keyring = Wanted { name: KEYRING.to_owned(), repository: None, version: None };
    let wanted: BTreeSet<&Wanted> = request.install.iter().chain([&keyring]).collect();
    let mut roots = Vec::new();
    for wanted in wanted {
        let text = if wanted.name == KEYRING {
            format!("{wanted} is always there")
        } else {
            let by = request.asked_by.get(&wanted.name);
            let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
            format!("{wanted} is asked for{by}")
        };
        roots.extend(
            solutions(needs, request, wanted)?
                .into_iter()
                .map(|solutions| Root { text: text.clone(), solutions }),
        );
    }
    Ok(roots)
}

/// The versions that answer one thing that is asked for, a list for each package of a group. As
/// pacman has it: a package of that name, else one that provides it, else a group; and where there
/// is none of them the package that has replaced it, as an upgrade of a system with the old one
/// would take.
fn solutions(
    needs: &Needs<'_, '_>,
    request: &Request,
    wanted: &Wanted,
) -> Result<Vec<Vec<RecordId>>, Error> {
    let universe = needs.universe;
    let at = wanted.repository.as_ref().and_then(|name| {
        let mut repositories = request.all_repositories();
        repositories.position(|repository| repository == name)
    });
    let pinned = |name: &str| request.pins.iter().any(|pin| pin.name == name);
    let from_there = |ids: Vec<RecordId>| -> Vec<RecordId> {
        let there = ids.into_iter().filter(|id| {
            let record = universe.record(*id);
            at.is_none() || record.repository == at || pinned(&record.entry.about.name)
        });
        there.collect()
    };
    let version = wanted.version.as_ref().filter(|_| !pinned(&wanted.name));
    let relation = Relation {
        name: wanted.name.clone(),
        version: version.map(|version| (Operator::Equal, version.clone())),
    };
    let mut found = from_there(needs.satisfiers(&relation));
    let is_literal = |id: &RecordId| universe.record(*id).entry.about.name == wanted.name;
    if found.iter().any(is_literal) {
        // Who asks for a package by its name means that package.
        found.retain(is_literal);
    }
    if !found.is_empty() {
        return Ok(vec![found]);
    }
    let group = from_there(universe.group(&wanted.name, needs.choice));
    if !group.is_empty() && version.is_none() {
        return Ok(group.into_iter().map(|member| vec![member]).collect());
    }
    let replacers = from_there(universe.replacers(&wanted.name, needs.choice));
    if !replacers.is_empty() && version.is_none() {
        return Ok(vec![replacers]);
    }
    match &wanted.repository {
        Some(repository) if universe.find(&wanted.name).is_some() => {
            Err(not_in_repository(request, &wanted.name, repository))
        }
        _ => Err(unknown_package(universe, request, &wanted.name)),
    }
}
