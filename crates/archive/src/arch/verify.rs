//! Before anything is unpacked: every package of a lock is what somebody who may has signed, and is
//! the package that the lock calls it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use digest::Digest;
use lock::arch::KEYRING;
use lock::{Lock, OWN, Package};

use super::keyring::{Keyring, SignatureError};
use super::main_keys::MainKeys;
use super::package_file::about;
use crate::error::Error;

/// Checks every package of a lock against the keyring that the lock has: its signature is good and
/// by one who may sign (of those that are not Arch's the digest in the lock says enough), and its `.PKGINFO` has the name, version and architecture of the lock, so
/// that no genuine package stands in for another. That files have the digests of the lock is not
/// checked here: the store has done that.
///
/// `file` says where the file of a digest lies.
///
/// # Errors
/// The first package of the lock that is refused, with the reason.
pub fn verify(
    lock: &Lock,
    main_keys: &MainKeys,
    file: &(dyn Fn(Digest) -> PathBuf + Sync),
    threads: usize,
) -> Result<(), Error> {
    let keyring = lock.package(KEYRING).ok_or_else(|| Error::Request {
        what: format!("the lock has no `{KEYRING}`: write it anew"),
    })?;
    let read = |digest| std::fs::read(file(digest)).map_err(|error| unread(keyring, &error));
    let trusted = Keyring::read(&read(keyring.sha256)?, &signature(keyring, file)?, main_keys)
        .map_err(|source| Error::Signature { package: label(keyring), source })?;
    let bar = progress::count("Verifying", lock.packages.len() as u64);
    let next = AtomicUsize::new(0);
    let refused = Mutex::new(Vec::new());
    let work = || {
        while let Some((at, package)) = take(&next, &lock.packages) {
            if let Err(error) = check(lock, package, &trusted, file) {
                let mut refused = refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                refused.push((at, error));
            }
            bar.advance(1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    let refused = refused.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let first = refused.into_iter().min_by_key(|(at, _)| *at);
    first.map_or(Ok(()), |(_, error)| Err(error))
}

fn take<'p>(next: &AtomicUsize, packages: &'p [Package]) -> Option<(usize, &'p Package)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, packages.get(at)?))
}

fn check(
    lock: &Lock,
    package: &Package,
    keyring: &Keyring,
    file: &dyn Fn(Digest) -> PathBuf,
) -> Result<(), Error> {
    let open = || File::open(file(package.sha256));
    let is_beside =
        package.archive == OWN || lock.sources.iter().any(|it| it.name == package.archive);
    if !is_beside {
        keyring
            .verify(&signature(package, file)?, open)
            .map_err(|source| Error::Signature { package: label(package), source })?;
    }
    let other = |what: String| Error::OtherPackage { package: label(package), what };
    let opened = open().map_err(|error| unread(package, &error))?;
    let found = about(opened, &lock.architecture).map_err(other)?;
    let said = (&found.name, &found.version, &found.architecture);
    if said != (&package.name, &package.version, &package.architecture) {
        return Err(other(format!("it says that it is {} for {}", found.label(), said.2)));
    }
    Ok(())
}

fn signature(package: &Package, file: &dyn Fn(Digest) -> PathBuf) -> Result<Vec<u8>, Error> {
    let signature = package.signature.ok_or_else(|| Error::Request {
        what: format!("the lock has no signature of {}: write it anew", label(package)),
    })?;
    std::fs::read(file(signature.sha256)).map_err(|error| unread(package, &error))
}

fn unread(package: &Package, error: &std::io::Error) -> Error {
    let source = SignatureError::Read(error.to_string());
    Error::Signature { package: label(package), source }
}

fn label(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}
