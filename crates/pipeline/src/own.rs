//! Package files that lie beside a definition.

use std::fs::File;

use definition::Server;
use lock::{Lock, OWN};
use store::Store;

use crate::Error;
use crate::request::{self, own_path};

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
        server.own.iter().any(|own| own.sha256 == package.sha256 && own_path(own) == package.path)
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
        let is_it = |it: &&lock::Package| it.archive == OWN && it.path == own_path(file);
        let locked = lock.packages.iter().find(is_it);
        if locked.is_some_and(|locked| locked.sha256 != file.sha256) {
            let (server, place) = (server.name.to_string(), file.origin.to_string());
            let path = file.path.display().to_string();
            return Err(Error::OwnChanged { server, path, place });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use definition::OwnFile;
    use digest::Digest;

    use super::*;
    use crate::request::tests::server;

    const LOCK: &str = "version = 1\ndistribution = \"debian\"\narchitecture = \"amd64\"\n\
        date = \"2026-11-22\"\n\
        request = \"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n";
    const PATH: &str = "server/pkgs/own_1_all.deb";

    fn lock(more: &str) -> Lock {
        Lock::parse(&format!("{LOCK}{more}"), "server.lock".as_ref()).unwrap()
    }

    /// A lock of one file, with these bytes.
    fn of_file(bytes: &str) -> Lock {
        lock(&format!(
            "[[package]]\nname = \"own\"\nversion = \"1\"\narchitecture = \"all\"\nsize = 1\n\
             sha256 = \"{}\"\npath = \"{PATH}\"\narchive = \"own\"\n",
            Digest::of(bytes).hex()
        ))
    }

    fn with_file(bytes: &str) -> Server {
        let server = server("install = [\"git\"]");
        let origin = server.install[0].origin.clone();
        let (part, sha256) = (server.name.clone(), Digest::of(bytes));
        let (path, source, name) =
            (PATH.into(), PATH.into(), "pkgs/own_1_all.deb".parse().unwrap());
        let own = OwnFile { name, path, source, sha256, size: 1, part, origin };
        Server { own: vec![own], ..server }
    }

    #[test]
    fn a_file_with_other_bytes_than_the_lock_is_not_locked_by_the_way() {
        assert!(check_changed(&with_file("a"), &of_file("a")).is_ok());
        assert!(check_changed(&with_file("a"), &lock("")).is_ok(), "a new one is");
        let error = check_changed(&with_file("b"), &of_file("a")).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("server/server.toml:9:12: ") && text.contains(PATH), "{text}");
        assert!(error.hint().unwrap().contains("cargo xtask lock server"));
    }

    #[test]
    fn a_lock_with_sources_or_files_that_the_definition_lacks_is_refused() {
        assert!(check_sources(&with_file("a"), &of_file("a")).is_ok());
        for foreign in
            [of_file("b"), lock("[[source]]\nname = \"acme\"\nurl = \"https://deb.example.org\"\n")]
        {
            let error = check_sources(&with_file("a"), &foreign).unwrap_err();
            assert!(matches!(error, Error::ForeignSource { .. }), "{error}");
        }
    }
}
