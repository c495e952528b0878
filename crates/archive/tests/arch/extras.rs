//! Repositories beside Arch's: the one that repo-add made (`tests/archive/repositories`), whole and
//! tampered with; and package files beside the definition.

use std::path::{Path, PathBuf};

use archive::{Error, arch};
use digest::Digest;
use lock::arch::Request;
use lock::{Extra, Lock, OwnFile, Package as Locked};
use tempfile::TempDir;
use testarchive::Package;

use crate::server::{MONDAY, Server, pin, request, shown};

fn repositories() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archive/repositories")
}

/// The repository as `acme`, in a folder of its own.
fn acme() -> (TempDir, Extra) {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(repositories().join("arch")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let key = std::fs::read(repositories().join("key.asc")).unwrap();
    let extra = Extra {
        name: "acme".to_owned(),
        url: format!("file://{}", folder.path().display()),
        suite: "own".to_owned(),
        components: Vec::new(),
        fingerprint: std::fs::read_to_string(repositories().join("fingerprint"))
            .unwrap()
            .trim()
            .to_owned(),
        key,
        packages: Vec::new(),
        place: "server.toml:9:8".to_owned(),
    };
    (folder, extra)
}

fn with(extra: &Extra, packages: &[&str]) -> Request {
    Request { extras: vec![extra.clone()], ..request(packages) }
}

/// Arch's packages.
fn server() -> Server {
    Server::of(&[Package::new("bash", "5.2-1"), Package::new("tool", "1-1").depends("bash")])
}

/// `name version archive` of each package, without the keyring.
fn names(lock: &Lock) -> Vec<String> {
    let others = lock.packages.iter().filter(|package| package.name != "archlinux-keyring");
    others.map(|it: &Locked| format!("{} {} {}", it.name, it.version, it.archive)).collect()
}

#[test]
fn what_repo_add_made_is_read_and_only_what_arch_lacks_is_taken() {
    let (server, (folder, extra)) = (server(), acme());
    let lock = server.resolve(&with(&extra, &["own-tool"])).unwrap();
    let expected = ["bash 5.2-1 archlinux", "own-library 1.2-1 acme", "own-tool 1.0-1 acme"];
    assert_eq!(names(&lock), expected);
    let keyring = lock.package("archlinux-keyring").unwrap();
    assert_eq!((&*keyring.version, &*keyring.archive), ("20200501-1", "archlinux"));
    assert_eq!(Lock::parse(&lock.text("web"), Path::new("server.lock")).unwrap(), lock);
    server.verify(&lock).unwrap();
    // What is in the store needs the repository no more.
    drop(folder);
    server.verify(&lock).unwrap();
}

#[test]
fn names_that_arch_has_too_are_taken_where_the_definition_says_so() {
    let (server, (_folder, extra)) = (server(), acme());
    let taken = ["bash 99.0-1 acme", "tool 1-1 archlinux"];
    let listed = Extra { packages: vec!["bash".to_owned()], ..extra.clone() };
    assert_eq!(names(&server.resolve(&with(&listed, &["tool"])).unwrap()), taken);
    assert_eq!(names(&server.resolve(&with(&extra, &["tool", "bash/acme"])).unwrap()), taken);
    let error = server.resolve(&with(&extra, &["tool/acme"])).unwrap_err();
    assert!(shown(&error).contains("tool"), "{error}");
    let mistyped = Extra { packages: vec!["owntool".to_owned()], ..extra };
    let error = server.resolve(&with(&mistyped, &["tool"])).unwrap_err();
    assert_eq!(error.to_string(), "server.toml:9:8: acme has no package `owntool`");
}

#[test]
fn whom_arch_trusts_no_other_repository_says() {
    let (server, (_folder, extra)) = (server(), acme());
    let listed = Extra { packages: vec!["archlinux-keyring".to_owned()], ..extra };
    assert!(server.resolve(&with(&listed, &["tool"])).is_err());
}

#[test]
fn a_database_unsigned_changed_or_signed_by_another_key_is_refused() {
    let server = server();
    let refusal = |tamper: &dyn Fn(&Path)| {
        let (folder, extra) = acme();
        tamper(folder.path());
        let error = server.resolve(&with(&extra, &["own-tool"])).unwrap_err();
        assert!(error.to_string().contains("no index of acme"), "{error}");
        shown(&error)
    };
    let text = refusal(&|folder| std::fs::remove_file(folder.join("own.db.sig")).unwrap());
    assert!(text.contains("repo-add --sign"), "{text}");
    let text = refusal(&|folder| {
        let mut bytes = std::fs::read(folder.join("own.db")).unwrap();
        bytes.push(0);
        std::fs::write(folder.join("own.db"), bytes).unwrap();
    });
    assert!(text.contains("does not fit"), "{text}");
    let text = refusal(&|folder| {
        let bytes = std::fs::read(folder.join("own.db")).unwrap();
        let signature = server.keys.unknown.sign(&bytes, 1_590_000_000);
        std::fs::write(folder.join("own.db.sig"), signature).unwrap();
    });
    assert!(text.contains("not in the keyring"), "{text}");
    refusal(&|folder| std::fs::remove_file(folder.join("own.db")).unwrap());
    let (_folder, extra) = acme();
    let wrong = Extra { fingerprint: "AB".repeat(20), ..extra };
    let error = server.resolve(&with(&wrong, &["own-tool"])).unwrap_err();
    assert!(error.to_string().starts_with("server.toml:9:8: "), "{error}");
}

#[test]
fn a_key_that_has_expired_is_refused_where_the_repository_has_no_days() {
    let (server, (folder, extra)) = (server(), acme());
    let bytes = std::fs::read(folder.path().join("own.db")).unwrap();
    // Made while the key was good.
    let signature = server.keys.expired.sign(&bytes, 1_590_000_000);
    std::fs::write(folder.path().join("own.db.sig"), signature).unwrap();
    let fingerprint = server.keys.expired.fingerprint();
    let extra = Extra { key: server.keys.armored(), fingerprint, ..extra };
    let refusal = |extra: &Extra| shown(&server.resolve(&with(extra, &["own-tool"])).unwrap_err());
    let text = refusal(&extra);
    assert!(text.contains("has expired since"), "{text}");

    // On its day the key was good: there the database is refused for being of a later one.
    let day = folder.path().join("2020-06-01");
    std::fs::create_dir(&day).unwrap();
    for file in ["own.db", "own.db.sig"] {
        std::fs::rename(folder.path().join(file), day.join(file)).unwrap();
    }
    let url = format!("{}/{{year}}-{{month}}-{{day}}", extra.url);
    let text = refusal(&Extra { url, ..extra });
    assert!(!text.contains("expired") && text.contains("2026"), "{text}");
}

#[test]
fn a_package_file_that_was_replaced_is_refused_by_the_digest() {
    let (server, (folder, extra)) = (server(), acme());
    let lock = server.resolve(&with(&extra, &["own-tool"])).unwrap();
    let file = folder.path().join("own-tool-1.0-1-any.pkg.tar.zst");
    let other = std::fs::read(folder.path().join("bash-99.0-1-x86_64.pkg.tar.zst")).unwrap();
    std::fs::write(file, other).unwrap();
    let error = server.store.fetch(&lock.items()).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!("\n{error}");
        cause = error.source();
    }
    assert!(text.contains("own-tool-1.0-1-any.pkg.tar.zst"), "{text}");
    // A lock of before that has other bytes under this version.
    let mut before = lock;
    let mut packages = before.packages.iter_mut();
    packages.find(|package| package.name == "own-tool").unwrap().sha256 = Digest::of("other");
    let error = server.resolve_after(&with(&extra, &["own-tool"]), &before).unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
}

fn own(server: &Server, path: &str) -> OwnFile {
    let bytes = std::fs::read(repositories().join("arch").join(path)).unwrap();
    server.keep(&bytes);
    let (path, sha256) = (format!("servers/home/{path}"), Digest::of(&bytes));
    OwnFile { path, sha256, size: bytes.len() as u64, place: "server.toml:3:7".to_owned() }
}

#[test]
fn package_files_beside_the_definition_are_installed_and_win() {
    let server = server();
    let files = ["own-tool-1.0-1-any", "own-library-1.2-1-x86_64", "bash-99.0-1-x86_64"];
    let own: Vec<_> = files.iter().map(|it| own(&server, &format!("{it}.pkg.tar.zst"))).collect();
    let request = Request { own: own.clone(), ..request(&["tool", "own-tool"]) };
    let lock = server.resolve(&request).unwrap();
    let expected =
        ["bash 99.0-1 own", "own-library 1.2-1 own", "own-tool 1.0-1 own", "tool 1-1 archlinux"];
    assert_eq!(names(&lock), expected);
    assert_eq!(lock.request, server.own(&request).digest());
    server.verify(&lock).unwrap();
    let again = server.update(&request, &lock, &["tool"]).unwrap();
    assert_eq!(again, lock);
    // Elsewhere a package needs a signature.
    let mut forged = lock;
    let mut packages = forged.packages.iter_mut();
    packages.find(|package| package.archive == "own").unwrap().archive = "archlinux".to_owned();
    assert!(forged.fault().is_some());
    assert!(arch::verify(&forged, &server.main_keys(), &|digest| server.path(digest), 1).is_err());
}

#[test]
fn package_files_that_cannot_be_installed_are_named_with_their_place() {
    let server = server();
    let refusal = |own: Vec<OwnFile>| {
        let request = Request { own, ..request(&["tool"]) };
        server.resolve(&request).unwrap_err().to_string()
    };
    let text = refusal(vec![own(&server, "archlinux-keyring-99990101-1-any.pkg.tar.zst")]);
    assert!(text.contains("which Arch alone may say"), "{text}");
    assert!(refusal(vec![own(&server, "own.db")]).starts_with("server.toml:3:7: "));
    let bash = own(&server, "bash-99.0-1-x86_64.pkg.tar.zst");
    let again = OwnFile { path: "servers/home/b.pkg.tar.zst".to_owned(), ..bash.clone() };
    assert!(refusal(vec![bash.clone(), again]).contains("is the package `bash`"));
    let held = Request { own: vec![bash], pins: vec![pin("bash", "5.2-1")], ..request(&["tool"]) };
    assert!(server.resolve(&held).is_err(), "{MONDAY}");
}
