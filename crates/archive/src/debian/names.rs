//! Names that a request gets wrong.

use super::request::{Request, Wanted};
use super::universe::Universe;
use crate::Error;

/// How many similar names are shown.
const SHOWN: usize = 5;

/// The architecture of a package to install, by its place in the request.
pub(super) fn architecture(request: &Request, wanted: &Wanted) -> Result<usize, Error> {
    let Some(name) = &wanted.architecture else { return Ok(0) };
    request.architectures.iter().position(|architecture| architecture == name).ok_or_else(|| {
        let known = request.architectures.join(", ");
        Error::Request {
            what: format!("`{wanted}` is of an architecture that is not asked for ({known})"),
        }
    })
}

/// The error for a package that is not there: with those that provide it, or that are nearly
/// called so.
pub(super) fn unknown_package(universe: &Universe<'_>, request: &Request, name: &str) -> Error {
    let mut similar: Vec<String> =
        universe.providers(name).into_iter().map(str::to_owned).collect();
    if similar.is_empty() {
        let mut near: Vec<_> = universe
            .names()
            .map(|other| (distance(name, other), other))
            .filter(|(distance, other)| *distance <= 2.min(other.len().div_ceil(3)))
            .collect();
        near.sort_unstable();
        similar = near.into_iter().map(|(_, other)| other.to_owned()).collect();
    }
    similar.truncate(SHOWN);
    Error::UnknownPackage {
        name: name.to_owned(),
        suites: suite_names(universe),
        date: request.date,
        similar,
    }
}

/// `bookworm, bookworm-backports`.
pub(super) fn suite_names(universe: &Universe<'_>) -> String {
    let names: Vec<_> = universe.indexes.iter().map(|index| index.suite.name.as_str()).collect();
    names.join(", ")
}

/// How many letters have to be put in, left out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    if one.len().abs_diff(other.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
