//! An archive that is served on loopback, and a store that knows no other.

use std::path::PathBuf;
use std::time::Duration;

use archive::arch::{self, MainKeys};
use archive::{Error, Files as _};
use digest::Digest;
use jiff::civil::{Date, date};
use lock::arch::{KEYRING, Request};
use lock::{Lock, Pin};
use store::{Options, Store};
use tempfile::TempDir;
use testarchive::{Archive, Keys, Package, Packed, Served};

/// Three days of the archive.
pub(crate) const MONDAY: Date = date(2020, 6, 1);
pub(crate) const TUESDAY: Date = date(2020, 6, 2);
pub(crate) const WEDNESDAY: Date = date(2020, 6, 3);

/// An archive with its keys, and a store.
pub(crate) struct Server {
    pub(crate) keys: Keys,
    pub(crate) folder: TempDir,
    pub(crate) served: Served,
    pub(crate) store: Store,
    /// The package that all locks have.
    pub(crate) keyring: Packed,
}

impl Server {
    pub(crate) fn new() -> Self {
        let keys = Keys::generate();
        let folder = tempfile::tempdir().unwrap();
        let served = Served::start(&folder.path().join("archive"));
        let mut options = Options::bare(folder.path().join("cache"));
        options.pause = Duration::from_millis(1);
        options.dated.archlinux = vec![served.url().trim_end_matches("/").to_owned()];
        let store = Store::open(options).unwrap();
        let keyring = keys.package("20200501-1").pack(&keys);
        Self { keys, folder, served, store, keyring }
    }

    /// One with these packages, and the keyring, in `core` of Monday.
    pub(crate) fn of(packages: &[Package]) -> Self {
        let server = Self::new();
        server.day(MONDAY, packages);
        server
    }

    /// The archive's folders, to be filled.
    pub(crate) fn archive(&self) -> Archive<'_> {
        Archive::new(&self.folder.path().join("archive"), &self.keys)
    }

    /// What `core` has on one day, besides the keyring; for tests of a single day.
    pub(crate) fn day(&self, date: Date, packages: &[Package]) {
        let mut packed: Vec<Packed> = packages.iter().map(|p| p.pack(&self.keys)).collect();
        packed.push(self.keyring.clone());
        self.archive().day(date, "core", &packed.iter().collect::<Vec<_>>());
    }

    pub(crate) fn resolve(&self, request: &Request) -> Result<Lock, Error> {
        arch::resolve(&self.store, &self.own(request), None)
    }

    pub(crate) fn resolve_after(&self, request: &Request, lock: &Lock) -> Result<Lock, Error> {
        arch::resolve(&self.store, &self.own(request), Some(lock))
    }

    pub(crate) fn update(
        &self,
        request: &Request,
        lock: &Lock,
        names: &[&str],
    ) -> Result<Lock, Error> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        arch::update(&self.store, &self.own(request), lock, &names)
    }

    /// What is locked for some packages, without the keyring.
    pub(crate) fn install(&self, packages: &[&str]) -> Vec<String> {
        names(&self.resolve(&request(packages)).unwrap())
    }

    /// The chain that is shown when packages cannot be installed.
    pub(crate) fn conflict(&self, packages: &[&str]) -> String {
        match self.resolve(&request(packages)) {
            Err(Error::Unsatisfiable { explanation }) => explanation,
            other => panic!("{other:?}"),
        }
    }

    /// Fetches what is locked and verifies it.
    pub(crate) fn verify(&self, lock: &Lock) -> Result<(), Error> {
        self.store.fetch(&lock.items()).unwrap();
        arch::verify(lock, &self.main_keys(), &|digest| self.path(digest), 3)
    }

    pub(crate) fn main_keys(&self) -> MainKeys {
        MainKeys::named(&self.keys.main_fingerprints()).unwrap()
    }

    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.store.path(digest)
    }

    /// Puts bytes into the store.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Digest {
        self.store.keep(bytes).unwrap();
        Digest::of(bytes)
    }

    /// The request with the main keys of this archive.
    pub(crate) fn own(&self, request: &Request) -> Request {
        Request { main_keys: self.keys.main_fingerprints(), ..request.clone() }
    }
}

/// A request for packages of `core` on Monday.
pub(crate) fn request(packages: &[&str]) -> Request {
    let mut request = Request::new("x86_64", MONDAY);
    request.repositories = vec!["core".to_owned()];
    request.install = packages.iter().map(|package| package.parse().unwrap()).collect();
    request
}

/// The same on another day.
pub(crate) fn request_of(date: Date, packages: &[&str]) -> Request {
    Request { date, ..request(packages) }
}

pub(crate) fn pin(name: &str, version: &str) -> Pin {
    Pin { name: name.to_owned(), version: version.to_owned(), reason: "a test".to_owned() }
}

/// `name version` of each package of a lock, without the keyring.
pub(crate) fn names(lock: &Lock) -> Vec<String> {
    let packages = lock.packages.iter().filter(|package| package.name != KEYRING);
    packages.map(|p| format!("{} {}", p.name, p.version)).collect()
}

/// An error with its causes, as it is shown, and its hint.
pub(crate) fn shown(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}\n{error}");
        cause = error.source();
    }
    match error.hint() {
        Some(hint) => format!("{text}\nhelp: {hint}"),
        None => text,
    }
}
