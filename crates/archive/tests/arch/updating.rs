//! Only what is named moves.

use testarchive::Package;

use crate::server::{MONDAY, Server, TUESDAY, names, request_of, shown};

/// `aa` and `bb` in version 1 on Monday and 2 on Tuesday; `cc` 2 needs `bb` 2.
fn server() -> Server {
    let server = Server::new();
    let pack = |package: Package| package.pack(&server.keys);
    let of = |version: &str| {
        [
            pack(Package::new("aa", version)),
            pack(Package::new("bb", version)),
            pack(Package::new("cc", version).depends(&format!("bb={version}"))),
        ]
    };
    let (one, two) = (of("1-1"), of("2-1"));
    let keyring = &server.keyring;
    server.archive().day(MONDAY, "core", &[keyring, &one[0], &one[1], &one[2]]).day(
        TUESDAY,
        "core",
        &[keyring, &two[0], &two[1], &two[2]],
    );
    server
}

#[test]
fn what_is_not_named_stays_though_the_repositories_have_moved_on() {
    let server = server();
    let lock = server.resolve(&request_of(MONDAY, &["aa", "bb"])).unwrap();
    let updated = server.update(&request_of(TUESDAY, &["aa", "bb"]), &lock, &["aa"]).unwrap();
    assert_eq!(names(&updated), ["aa 2-1", "bb 1-1"]);
    server.verify(&updated).unwrap();
}

#[test]
fn others_move_as_far_as_it_is_needed() {
    let server = server();
    let lock = server.resolve(&request_of(MONDAY, &["aa", "cc"])).unwrap();
    let updated = server.update(&request_of(TUESDAY, &["aa", "cc"]), &lock, &["cc"]).unwrap();
    assert_eq!(names(&updated), ["aa 1-1", "bb 2-1", "cc 2-1"]);
}

#[test]
fn the_keyring_moves_when_it_is_named() {
    let server = server();
    let lock = server.resolve(&request_of(MONDAY, &["aa"])).unwrap();
    let newer = server.keys.package("20200602-1").pack(&server.keys);
    let aa = Package::new("aa", "2-1").pack(&server.keys);
    server.archive().day(TUESDAY, "core", &[&newer, &aa]);
    let keyring = |names: &[&str]| {
        let updated = server.update(&request_of(TUESDAY, &["aa"]), &lock, names).unwrap();
        updated.package("archlinux-keyring").unwrap().version.clone()
    };
    assert_eq!(keyring(&["aa"]), "20200501-1");
    assert_eq!(keyring(&["archlinux-keyring"]), "20200602-1");
}

#[test]
fn a_name_that_is_not_locked_is_an_error() {
    let server = server();
    let lock = server.resolve(&request_of(MONDAY, &["aa"])).unwrap();
    let error = server.update(&request_of(TUESDAY, &["aa"]), &lock, &["bb"]).unwrap_err();
    assert!(shown(&error).contains("the lock has no package `bb`"), "{}", shown(&error));
}
