//! Names that a request gets wrong.

use lock::debian::{Request, Wanted};

use super::suite::Of;
use super::universe::Universe;
use crate::Error;
use crate::similar::{SHOWN, similar_names};

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
        similar = similar_names(name, universe.names());
    }
    similar.truncate(SHOWN);
    Error::UnknownPackage {
        name: name.to_owned(),
        suites: suite_names(universe),
        date: request.date,
        asked_by: request.asked_by.get(name).cloned(),
        similar,
    }
}

/// `bookworm, bookworm-backports`.
pub(super) fn suite_names(universe: &Universe<'_>) -> String {
    let indexes = universe.indexes.iter().filter(|index| index.suite.of != Of::Definition);
    let names: Vec<_> = indexes.map(|index| index.suite.shown()).collect();
    names.join(", ")
}
