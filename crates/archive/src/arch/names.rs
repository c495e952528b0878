//! Names that a request gets wrong.

use lock::arch::Request;

use super::universe::Universe;
use crate::Error;
use crate::similar::{SHOWN, similar_names};

/// The error for a package that is not there: with why its entry was left out, or with those that
/// are nearly called so.
pub(crate) fn unknown_package(universe: &Universe<'_>, request: &Request, name: &str) -> Error {
    if let Some((repository, why)) = universe.left_out(name) {
        return Error::LeftOut {
            name: name.to_owned(),
            suite: repository.to_owned(),
            what: why.to_owned(),
        };
    }
    let mut similar = similar_names(name, universe.names().chain(universe.group_names()));
    similar.truncate(SHOWN);
    Error::UnknownPackage {
        name: name.to_owned(),
        suites: request.repository_names(),
        date: request.date,
        asked_by: request.asked_by.get(name).cloned(),
        similar,
    }
}
