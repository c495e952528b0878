//! Packages that are held at a version.

use archive::Error;
use lock::Lock;
use lock::arch::Request;
use testarchive::{Package, Packed, Signer};

use crate::server::{MONDAY, Server, TUESDAY, names, pin, request_of, shown};

fn pinned(version: &str, packages: &[&str]) -> Request {
    let mut request = request_of(MONDAY, packages);
    request.pins = vec![pin("aa", version)];
    request
}

/// `aa` 2 on Monday, 3 on Tuesday; 1 and `gone` are in the package tree alone.
fn server() -> Server {
    let server = Server::new();
    let pack = |package: Package| package.pack(&server.keys);
    let bb = pack(Package::new("bb", "1-1"));
    let old = pack(Package::new("aa", "1-1").depends("bb"));
    let gone = pack(Package::new("gone", "1-1").arch("any").depends("bb"));
    let (two, three) = (pack(Package::new("aa", "2-1")), pack(Package::new("aa", "3-1")));
    let archive = server.archive().day(MONDAY, "core", &[&server.keyring, &two, &bb]).day(
        TUESDAY,
        "core",
        &[&server.keyring, &three, &bb],
    );
    archive.add(&old);
    archive.add(&gone);
    server
}

fn locked(server: &Server, request: &Request) -> Lock {
    let lock = server.resolve(request).unwrap();
    server.verify(&lock).unwrap();
    lock
}

#[test]
fn a_pin_older_or_newer_than_the_date_wins_with_what_it_depends_on() {
    let server = server();
    let older = locked(&server, &pinned("1-1", &["aa"]));
    assert_eq!(names(&older), ["aa 1-1", "bb 1-1"]);
    assert_eq!(older.package("aa").unwrap().path, "core/os/x86_64/aa-1-1-x86_64.pkg.tar.zst");
    assert_eq!(names(&locked(&server, &pinned("2-1", &["aa"]))), ["aa 2-1"]);
    assert_eq!(names(&locked(&server, &pinned("3-1", &["aa"]))), ["aa 3-1"]);
}

#[test]
fn a_package_that_left_the_repositories_can_be_pinned() {
    let server = server();
    let mut request = request_of(MONDAY, &["gone"]);
    let error = server.resolve(&request).unwrap_err();
    assert!(matches!(error, Error::UnknownPackage { .. }), "{error}");
    request.pins = vec![pin("gone", "1-1")];
    let lock = locked(&server, &request);
    assert_eq!(names(&lock), ["bb 1-1", "gone 1-1"]);
    assert_eq!(lock.package("gone").unwrap().path, "core/os/x86_64/gone-1-1-any.pkg.tar.zst");
}

#[test]
fn the_keyring_can_be_pinned() {
    let server = server();
    let newer = server.keys.package("20200701-1").pack(&server.keys);
    server.archive().add(&newer);
    let mut request = request_of(MONDAY, &["aa"]);
    request.pins = vec![pin("archlinux-keyring", "20200701-1")];
    let lock = locked(&server, &request);
    assert_eq!(lock.package("archlinux-keyring").unwrap().version, "20200701-1");
}

#[test]
fn a_pin_that_is_nowhere_is_answered_with_the_versions_that_are_known() {
    let text = shown(&server().resolve(&pinned("9-1", &["aa"])).unwrap_err());
    assert!(
        text.starts_with(
            "aa 9-1 is neither in a repository of 2020-06-01 nor in the archive's package tree"
        ),
        "{text}"
    );
    assert!(text.contains("help: there is 2-1"), "{text}");
}

#[test]
fn a_pin_that_does_not_fit_is_told() {
    let server = server();
    let cc = Package::new("cc", "1-1").depends("aa>=2").pack(&server.keys);
    let two = Package::new("aa", "2-1").pack(&server.keys);
    let bb = Package::new("bb", "1-1").pack(&server.keys);
    server.archive().day(MONDAY, "core", &[&server.keyring, &two, &bb, &cc]);
    let text = shown(&server.resolve(&pinned("1-1", &["cc"])).unwrap_err());
    assert!(
        text.contains("cc 1-1 depends on aa>=2, which nothing satisfies: there is aa 1-1"),
        "{text}"
    );
}

/// Makes a package.
type Make = fn(&Server) -> Packed;

#[test]
fn nothing_of_a_pinned_file_is_believed_before_its_signature_is_good() {
    let stranger =
        |server: &Server| Package::new("aa", "0-1").signed_by(Signer::Stranger).pack(&server.keys);
    let damaged = |server: &Server| {
        let mut packed = Package::new("aa", "0-1").pack(&server.keys);
        let last = packed.bytes.len() - 1;
        packed.bytes[last] ^= 1;
        packed
    };
    let other = |server: &Server| {
        let genuine = Package::new("bb", "1-1").pack(&server.keys);
        Packed { name: "aa".into(), file_name: "aa-0-1-x86_64.pkg.tar.zst".into(), ..genuine }
    };
    let cases: [(Make, &str); 3] = [
        (stranger, "2 of the main keys have certified, and 3 have to"),
        (damaged, "does not fit"),
        (other, "the file of aa 0-1 is not that package: it says that it is bb 1-1"),
    ];
    for (make, why) in cases {
        let server = server();
        server.archive().add(&make(&server));
        let text = shown(&server.resolve(&pinned("0-1", &["aa"])).unwrap_err());
        assert!(text.contains("aa 0-1") && text.contains(why), "{text}");
    }
}

#[test]
fn a_pin_that_is_locked_is_not_looked_for_again() {
    let server = server();
    let lock = server.resolve(&pinned("1-1", &["aa"])).unwrap();
    let asked = server.served.asked().len();
    let again = server.resolve_after(&pinned("1-1", &["aa"]), &lock).unwrap();
    assert_eq!(again, lock);
    assert_eq!(server.served.asked().len(), asked, "{:?}", server.served.asked());
}
