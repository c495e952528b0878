//! From a request to a lock.

use std::collections::BTreeMap;

use lock::arch::{KEYRING, Request, compare};
use lock::{FORMAT, Lock};
use store::Item;

use super::candidates::Keep;
use super::choose::choose;
use super::entry::Entry;
use super::held::{Source, by};
use super::keyring::Keyring;
use super::main_keys::MainKeys;
use super::names::unknown_package;
use super::repository::{ARCHIVE, Repository, path};
use super::universe::{Held, Universe};
use super::{candidates, extra, own, signatures};
use crate::error::{Error, WhyNot};
use crate::files::Files;
use crate::resolve::complete;

/// An archive to resolve against: where its files come from, and the keys that trust begins with.
pub struct Archive<'f> {
    files: &'f dyn Files,
    main_keys: MainKeys,
}

/// Resolves a request against the archive of its day. The previous lock keeps older databases out
/// and hands on the ids of users and groups; its versions do not matter.
///
/// # Errors
/// When no database may stand for the day, a package is not there, a signature does not count, or
/// the request cannot be satisfied.
pub fn resolve(
    files: &dyn Files,
    request: &Request,
    previous: Option<&Lock>,
) -> Result<Lock, Error> {
    Archive::of(files, request)?.resolve(request, previous)
}

/// As [`resolve`], but only the named packages move, and others as far as they need it: all else
/// stays at the version of the lock, which the archive's package tree has even when the repositories
/// have moved on.
///
/// # Errors
/// As [`resolve`]; also when a named package is not in the lock.
pub fn update(
    files: &dyn Files,
    request: &Request,
    previous: &Lock,
    moving: &[String],
) -> Result<Lock, Error> {
    Archive::of(files, request)?.update(request, previous, moving)
}

impl<'f> Archive<'f> {
    /// Arch's own archive: its main keys come from a package whose digest is built in.
    ///
    /// # Errors
    /// When that package cannot be had.
    pub fn arch(files: &'f dyn Files) -> Result<Self, Error> {
        Ok(Self::new(files, MainKeys::arch(files)?))
    }

    /// An archive with other main keys.
    pub fn new(files: &'f dyn Files, main_keys: MainKeys) -> Self {
        Self { files, main_keys }
    }

    fn of(files: &'f dyn Files, request: &Request) -> Result<Self, Error> {
        Ok(Self::new(files, MainKeys::of(files, &request.main_keys)?))
    }

    /// See [`resolve`](fn@resolve).
    ///
    /// # Errors
    /// As there.
    pub fn resolve(&self, request: &Request, previous: Option<&Lock>) -> Result<Lock, Error> {
        self.lock(request, previous, None)
    }

    /// See [`update`](fn@update).
    ///
    /// # Errors
    /// As there.
    pub fn update(
        &self,
        request: &Request,
        previous: &Lock,
        moving: &[String],
    ) -> Result<Lock, Error> {
        let locked = |name: &String| previous.packages.iter().any(|package| package.name == *name);
        if let Some(name) = moving.iter().find(|name| !locked(name)) {
            return Err(Error::Request { what: format!("the lock has no package `{name}`") });
        }
        self.lock(request, Some(previous), Some(Keep { lock: previous, but: moving }))
    }

    /// The packages that answer a request with no pins, as `name version`, sorted. No signature is
    /// looked at: this is for showing and comparing, never for building.
    ///
    /// # Errors
    /// As [`resolve`](fn@resolve).
    pub fn choose(&self, request: &Request) -> Result<Vec<String>, Error> {
        let repositories = self.load(request, None)?;
        let universe = Universe::new(&repositories, request, &[]);
        let chosen = choose(&universe, request, None)?;
        let mut names: Vec<_> = chosen.into_iter().map(|id| universe.label(id)).collect();
        names.sort();
        Ok(names)
    }

    fn load(&self, request: &Request, previous: Option<&Lock>) -> Result<Vec<Repository>, Error> {
        let repositories = request.repositories.iter();
        let repositories =
            repositories.map(|name| Repository::load(self.files, name, request, previous));
        let extras = request.extras.iter();
        let extras = extras.map(|extra| extra::load(self.files, extra, request, previous));
        repositories.chain(extras).collect()
    }

    fn lock(
        &self,
        request: &Request,
        previous: Option<&Lock>,
        keep: Option<Keep<'_>>,
    ) -> Result<Lock, Error> {
        let digest = request.digest();
        let own = own::read(self.files, request)?;
        let mut request = request.clone();
        // What is asked for by its name is that file.
        request.install.retain(|it| own.iter().all(|(_, o)| it.name != o.name || it.is_more()));
        request.install.extend(own.iter().map(|(_, wanted)| wanted.clone()));
        let request = &request;
        let repositories = self.load(request, previous)?;
        let source = Source { files: self.files, request, repositories: &repositories };
        let (keyring, held_keyring) = self.keyring(&source, previous, keep)?;
        self.check_databases(&source, &keyring)?;
        let mut held: Vec<Held> = held_keyring.into_iter().collect();
        held.extend(own.into_iter().map(|(held, _)| held));
        for (name, version) in candidates::not_in_repositories(&repositories, request, keep) {
            if name != KEYRING {
                held.push(source.pinned(name, version, previous, &by(&keyring))?);
            }
        }
        let universe = Universe::new(&repositories, request, &held);
        let mut listed =
            request.extras.iter().flat_map(|it| it.packages.iter().map(move |p| (p, it)));
        // A mistyped name would leave its package to Arch.
        if let Some((name, extra)) = listed.find(|(name, _)| universe.find(name).is_none()) {
            return Err(candidates::not_in_repository(request, name, &extra.name));
        }
        let chosen = choose(&universe, request, keep)?;
        let packages = signatures::packages(&source, &keyring, &universe, &chosen, previous)?;
        let lock = Lock {
            version: FORMAT,
            distribution: "arch".to_owned(),
            architecture: request.architecture.clone(),
            date: request.date,
            request: digest,
            sources: crate::extra::sources(&request.extras, request.date),
            indexes: repositories.iter().map(Repository::record).collect(),
            packages,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
        };
        crate::extra::check_replaced(&lock, previous)?;
        complete(lock, previous)
    }

    /// The keyring that the lock will have, and its package if no repository has that version.
    fn keyring(
        &self,
        source: &Source<'_>,
        previous: Option<&Lock>,
        keep: Option<Keep<'_>>,
    ) -> Result<(Keyring, Option<Held>), Error> {
        let request = source.request;
        // Whom to trust, Arch alone says.
        let repositories = &source.repositories[..request.repositories.len()];
        let judge = |signature: &[u8], file: Option<&[u8]>| match file {
            None => Ok(()),
            Some(file) => Keyring::read(file, signature, &self.main_keys).map(drop),
        };
        let read = |entry: &Entry, path: &str| {
            let label = entry.about.label();
            let mut locked = previous.into_iter().flat_map(|lock| &lock.packages);
            if let Some(locked) = locked.find(|package| package.sha256 == entry.sha256) {
                let (file, signature) = source.files_of(locked)?;
                return Keyring::read(&file, &signature, &self.main_keys)
                    .map_err(|source| Error::Signature { package: label, source });
            }
            let signature = match &entry.signature {
                Some(signature) => signature.clone(),
                None => source.signature(path, &label, &judge)?,
            };
            let item = Item {
                digest: entry.sha256,
                size: entry.size,
                name: entry.file.clone(),
                archive: ARCHIVE.to_owned(),
                path: path.to_owned(),
                date: request.date,
            };
            let file = self.files.file(&item);
            let file = file.map_err(|source| Error::Fetch { what: label.clone(), source })?;
            Keyring::read(&file, &signature, &self.main_keys)
                .map_err(|source| Error::Signature { package: label, source })
        };
        let mut elsewhere = candidates::not_in_repositories(repositories, request, keep);
        if let Some((name, version)) = elsewhere.find(|(name, _)| *name == KEYRING) {
            let held = source.pinned(name, version, previous, &judge)?;
            return Ok((read(&held.entry, &held.path)?, Some(held)));
        }
        let held_at = candidates::held_at(request, keep, KEYRING);
        let mut found = repositories.iter().flat_map(|repository| {
            repository.database.entries.iter().map(move |entry| (repository, entry))
        });
        let found = found.find(|(_, entry)| {
            let about = &entry.about;
            about.name == KEYRING && held_at.is_none_or(|v| compare(&about.version, v).is_eq())
        });
        let Some((repository, entry)) = found else {
            let universe = Universe::new(repositories, request, &[]);
            return Err(unknown_package(&universe, request, KEYRING));
        };
        let path = path(&repository.name, &request.architecture, &entry.file);
        Ok((read(entry, &path)?, None))
    }

    /// Looks for signatures of the databases. Arch makes none, so none is asked for: one that is
    /// there has to be good. What a forger can do to a database without a signature, he can still
    /// do by taking the signature away; the packages are what counts.
    ///
    /// A database is kept for the next lock of the day when it has passed.
    fn check_databases(&self, source: &Source<'_>, keyring: &Keyring) -> Result<(), Error> {
        let request = source.request;
        for repository in source.repositories {
            let Some(bytes) = &repository.fresh else { continue };
            if repository.beside.is_some() {
                continue;
            }
            let name = &repository.name;
            let path = path(name, &request.architecture, &format!("{name}.db.sig"));
            let mut signature = None;
            let asked = self.files.find(ARCHIVE, &path, request.date, &mut |bytes| {
                signature = Some(bytes.to_vec());
                Ok(())
            });
            if let (Ok(()), Some(signature)) = (asked, signature)
                && let Err(why) = keyring.verify(&signature, || Ok(bytes.as_slice()))
            {
                let (suite, date) = (name.clone(), request.date);
                let source = why.to_string().into();
                let refusals = vec![WhyNot::Detached(why)];
                let place = None;
                return Err(Error::NoIndex { place, suite, date, refusals, source });
            }
            let kept = self.files.keep(bytes);
            kept.map_err(|source| Error::Fetch { what: format!("{name}.db"), source })?;
        }
        Ok(())
    }
}
