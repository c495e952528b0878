//! From a request to a lock, of whichever archive it asks.

use lock::{Lock, Request};

use crate::{Error, Files, arch, debian};

/// Resolves the request; ids of users that `previous` has are kept.
///
/// # Errors
/// What keeps it from being resolved.
pub fn resolve(
    files: &dyn Files,
    request: &Request,
    previous: Option<&Lock>,
) -> Result<Lock, Error> {
    match request {
        Request::Debian(request) => debian::resolve(files, request, previous),
        Request::Arch(request) => arch::resolve(files, request, previous),
    }
}

/// The same, where only `moving` and what they need leave the versions of `previous`.
///
/// # Errors
/// As [`resolve`].
pub fn update(
    files: &dyn Files,
    request: &Request,
    previous: &Lock,
    moving: &[String],
) -> Result<Lock, Error> {
    match request {
        Request::Debian(request) => debian::update(files, request, previous, moving),
        Request::Arch(request) => arch::update(files, request, previous, moving),
    }
}

/// A lock that was just resolved, with the ids that the one before it has; refused when it could
/// not be read again.
pub(crate) fn complete(mut lock: Lock, previous: Option<&Lock>) -> Result<Lock, Error> {
    if let Some(previous) = previous {
        lock.users.clone_from(&previous.users);
        lock.groups.clone_from(&previous.groups);
    }
    match lock.fault() {
        None => Ok(lock),
        Some(what) => Err(Error::Request { what: format!("the archive is odd: {what}") }),
    }
}
