//! Package files that lie beside a definition.

use std::fs::File;

use definition::Server;
use lock::{Lock, OWN};
use store::Store;

use crate::{Error, request};

/// Puts them into the store, where the archive and a build find them by their digest.
pub(crate) fn keep(store: &Store, server: &Server) -> Result<(), Error> {
    for file in &server.own {
        if store.contains(file.sha256) {
            continue;
        }
        let opened = File::open(&file.source).map_err(Error::io("read", &file.source))?;
        store.put(opened)?;
    }
    Ok(())
}

/// Refuses a lock that names a source or a file which the definition does not have: a digest of the
/// request is soon copied.
pub(crate) fn check_sources(server: &Server, lock: &Lock) -> Result<(), Error> {
    let is_extra = |source: &lock::Source| {
        request::extras(server).iter().any(|extra| {
            (&extra.name, extra.url_of(lock.date)) == (&source.name, source.url.clone())
        })
    };
    let is_own = |package: &lock::Package| {
        server.own.iter().any(|own| {
            own.sha256 == package.sha256 && own.path.to_str() == Some(package.path.as_str())
        })
    };
    let source = lock.sources.iter().find(|source| !is_extra(source));
    let mut own = lock.packages.iter().filter(|package| package.archive == OWN);
    let what = match source {
        Some(source) => Some(format!("the source `{}` ({})", source.name, source.url)),
        None => own.find(|package| !is_own(package)).map(|own| format!("`{}`", own.path)),
    };
    match what {
        Some(what) => Err(Error::ForeignSource { server: server.name.to_string(), what }),
        None => Ok(()),
    }
}

/// Refuses to lock other bytes for a file of the lock without being told to.
pub(crate) fn check_changed(server: &Server, lock: &Lock) -> Result<(), Error> {
    for file in &server.own {
        let path = file.path.display().to_string();
        let is_it = |it: &&lock::Package| it.archive == OWN && it.path == path;
        let locked = lock.packages.iter().find(is_it);
        if locked.is_some_and(|locked| locked.sha256 != file.sha256) {
            let (server, place) = (server.name.to_string(), file.origin.to_string());
            return Err(Error::OwnChanged { server, path, place });
        }
    }
    Ok(())
}
