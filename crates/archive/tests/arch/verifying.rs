//! Before a build: the files themselves.

use archive::{Error, arch};
use digest::Digest;
use lock::{Lock, Signature};
use testarchive::{Keys, Package, Packed};

use crate::server::{Server, request, shown};

fn server() -> (Server, Lock) {
    let server = Server::of(&[
        Package::new("aa", "1-1").file("usr/bin/aa", 0o755, "aa"),
        Package::new("bb", "2-1").file("usr/bin/bb", 0o755, "bb"),
    ]);
    let lock = server.resolve(&request(&["aa", "bb"])).unwrap();
    server.verify(&lock).unwrap();
    (server, lock)
}

/// A lock that has another file, with another signature, for a package.
fn with_file(server: &Server, lock: &Lock, name: &str, file: &[u8], signature: &[u8]) -> Lock {
    let mut lock = lock.clone();
    let package = lock.packages.iter_mut().find(|package| package.name == name).unwrap();
    package.sha256 = server.keep(file);
    package.size = file.len() as u64;
    let size = signature.len() as u64;
    package.signature = Some(Signature { size, sha256: server.keep(signature) });
    lock
}

fn refusal(server: &Server, lock: &Lock) -> String {
    let file = |digest| server.path(digest);
    shown(&arch::verify(lock, &server.main_keys(), &file, 2).unwrap_err())
}

fn bytes_of(server: &Server, digest: Digest) -> Vec<u8> {
    std::fs::read(server.path(digest)).unwrap()
}

#[test]
fn a_changed_file_is_refused() {
    let (server, lock) = server();
    let aa = lock.package("aa").unwrap();
    let mut file = bytes_of(&server, aa.sha256);
    file.push(0);
    let signature = bytes_of(&server, aa.signature.unwrap().sha256);
    let text = refusal(&server, &with_file(&server, &lock, "aa", &file, &signature));
    assert!(text.starts_with("aa 1-1 is not accepted: does not fit"), "{text}");
    assert!(text.to_uppercase().contains(&server.keys.packager.fingerprint()), "{text}");
}

#[test]
fn a_genuine_file_of_another_package_is_refused() {
    let (server, lock) = server();
    let bb = lock.package("bb").unwrap();
    let file = bytes_of(&server, bb.sha256);
    let signature = bytes_of(&server, bb.signature.unwrap().sha256);
    let text = refusal(&server, &with_file(&server, &lock, "aa", &file, &signature));
    assert!(
        text.starts_with("the file of aa 1-1 is not that package: it says that it is bb 2-1"),
        "{text}"
    );
}

#[test]
fn a_file_of_the_package_in_another_version_is_refused() {
    let (server, lock) = server();
    let older = Package::new("aa", "0-1").pack(&server.keys);
    let (file, signature) = (older.bytes, older.signature.unwrap());
    let text = refusal(&server, &with_file(&server, &lock, "aa", &file, &signature));
    assert!(text.contains("it says that it is aa 0-1"), "{text}");
}

#[test]
fn a_signature_of_another_file_is_refused() {
    let (server, lock) = server();
    let file = bytes_of(&server, lock.package("aa").unwrap().sha256);
    let of_bb = bytes_of(&server, lock.package("bb").unwrap().signature.unwrap().sha256);
    let text = refusal(&server, &with_file(&server, &lock, "aa", &file, &of_bb));
    assert!(text.starts_with("aa 1-1 is not accepted: does not fit"), "{text}");
}

#[test]
fn a_signer_who_may_not_is_refused_though_the_lock_has_the_file() {
    let (server, lock) = server();
    let others = Keys::generate();
    let Packed { bytes, signature, .. } = Package::new("aa", "1-1").pack(&others);
    let text = refusal(&server, &with_file(&server, &lock, "aa", &bytes, &signature.unwrap()));
    assert!(text.to_uppercase().contains(&others.packager.fingerprint()), "{text}");
    assert!(text.contains("is not in the keyring"), "{text}");
}

#[test]
fn a_lock_without_a_keyring_is_refused() {
    let (server, mut lock) = server();
    lock.packages.retain(|package| package.name != lock::arch::KEYRING);
    assert!(refusal(&server, &lock).contains("the lock has no `archlinux-keyring`"));
}

#[test]
fn a_foreign_keyring_is_refused() {
    let (server, lock) = server();
    let others = Keys::generate();
    let forged = others.package("20200501-1").pack(&others);
    let lock =
        with_file(&server, &lock, lock::arch::KEYRING, &forged.bytes, &forged.signature.unwrap());
    let text = refusal(&server, &lock);
    assert!(text.starts_with("archlinux-keyring 20200501-1 is not accepted"), "{text}");
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let (server, lock) = server();
    std::fs::remove_file(server.path(lock.package("bb").unwrap().sha256)).unwrap();
    let error = arch::verify(&lock, &server.main_keys(), &|digest| server.path(digest), 2);
    assert!(matches!(error, Err(Error::Signature { .. })), "{error:?}");
}

#[test]
fn what_is_no_package_is_refused() {
    let (server, lock) = server();
    let file = b"no package at all";
    let signature = server.keys.packager.sign(file, testarchive::MADE + 90_000);
    let text = refusal(&server, &with_file(&server, &lock, "aa", file, &signature));
    assert!(text.starts_with("the file of aa 1-1 is not that package"), "{text}");
}
