//! What a package that is asked for from a suite brings from there.

use std::collections::{HashMap, HashSet};

use lock::debian::Request;

use super::choice::{in_suite, is_automatic, is_of};
use super::universe::Universe;
use crate::Error;
use crate::solving::{Choice, PackageId, RecordId};

/// A package taken from a suite takes its dependencies from there too, where the candidates so far
/// do not satisfy them; and so on for theirs (apt, `pkgDepCache::SetCandidateRelease`).
///
/// A candidate that itself lacks something satisfies nothing: that is how what only this suite has
/// gets its own dependencies from there.
pub(super) fn follow(
    universe: &Universe<'_>,
    request: &Request,
    settled: &HashMap<PackageId, RecordId>,
    choice: &mut Choice,
    start: RecordId,
    suite: &str,
) -> Result<(), Error> {
    let of_suite = Choice(
        (0..universe.packages.len())
            .map(|package| in_suite(universe, package, suite).into_iter().collect())
            .collect(),
    );
    let mut followed = HashSet::from([start]);
    let mut queue = vec![start];
    while let Some(record) = queue.pop() {
        let architecture = universe.packages[universe.record(record).package].architecture;
        for (group, _) in universe.needs(record, request.recommends)? {
            let mut satisfied = None;
            for relation in &group {
                for found in universe.satisfiers(relation, architecture, choice) {
                    if satisfied.is_none() && is_complete(universe, request, choice, found)? {
                        satisfied = Some(found);
                    }
                }
            }
            let next = match satisfied {
                // What no other suite has: what it needs may be here alone as well.
                Some(found) if !is_automatic(universe, found) && is_of(universe, found, suite) => {
                    found
                }
                Some(_) => continue,
                None => {
                    let mut others = group
                        .iter()
                        .flat_map(|relation| universe.satisfiers(relation, architecture, &of_suite))
                        .filter(|found| {
                            let held = settled.get(&universe.record(*found).package);
                            held.is_none_or(|held| held == found)
                        });
                    let Some(found) = others.next() else { continue };
                    choice.0[universe.record(found).package] = vec![found];
                    found
                }
            };
            if followed.insert(next) {
                queue.push(next);
            }
        }
    }
    Ok(())
}

/// Whether something among the choice satisfies each dependency of a version.
fn is_complete(
    universe: &Universe<'_>,
    request: &Request,
    choice: &Choice,
    record: RecordId,
) -> Result<bool, Error> {
    let architecture = universe.packages[universe.record(record).package].architecture;
    let needs = universe.needs(record, false)?;
    Ok(needs.iter().all(|(group, _)| {
        group.iter().any(|relation| {
            request.assume_installed.iter().any(|name| name == relation.name)
                || !universe.satisfiers(relation, architecture, choice).is_empty()
        })
    }))
}
