//! Which packages are taken.

use archive::Error;
use archive::arch::Archive;
use testarchive::Package;

use crate::databases::database;
use crate::server::{MONDAY, Server, names, request, shown};

fn package(name: &str, version: &str) -> Package {
    Package::new(name, version)
}

#[test]
fn what_is_needed_is_taken_and_nothing_else() {
    let server = Server::of(&[
        package("aa", "1-1").depends("bb>=1:2").depends("libcc.so=3-64"),
        package("bb", "1:2-1"),
        package("cc", "3.1-1").provides("libcc.so=3-64").depends("aa"),
        package("other", "1-1"),
    ]);
    let lock = server.resolve(&request(&["aa"])).unwrap();
    assert_eq!(names(&lock), ["aa 1-1", "bb 1:2-1", "cc 3.1-1"]);
    assert_eq!(lock.packages.len(), 4);
    let bb = lock.package("bb").unwrap();
    assert_eq!(bb.path, "core/os/x86_64/bb-1:2-1-x86_64.pkg.tar.zst");
    assert_eq!((bb.archive.as_str(), bb.architecture.as_str()), ("archlinux", "x86_64"));
    assert_eq!(lock.distribution, "arch");
    assert_eq!(lock.indexes[0].suite, "core");
    assert_eq!(lock.indexes[0].signed.to_string(), "2020-06-01T12:00:00Z");
}

#[test]
fn the_keyring_is_in_every_lock() {
    let server = Server::of(&[]);
    let lock = server.resolve(&request(&[])).unwrap();
    assert_eq!(lock.packages[0].name, "archlinux-keyring");
    assert_eq!(lock.packages[0].architecture, "any");
}

#[test]
fn the_first_repository_that_has_a_name_is_the_one_that_it_is_taken_from() {
    let server = Server::new();
    let pack = |package: Package| package.pack(&server.keys);
    let (old, new) = (pack(package("aa", "1-1")), pack(package("aa", "2-1")));
    let needs = pack(package("needs", "1-1").depends("aa>=2"));
    server.archive().day(MONDAY, "core", &[&server.keyring, &old]).day(
        MONDAY,
        "extra",
        &[&new, &needs],
    );
    let resolve = |packages: &[&str]| {
        let mut request = request(packages);
        request.repositories.push("extra".to_owned());
        names(&server.resolve(&request).unwrap())
    };
    assert_eq!(resolve(&["aa"]), ["aa 1-1"]);
    assert_eq!(resolve(&["aa/extra"]), ["aa 2-1"]);
    assert_eq!(resolve(&["aa=2-1"]), ["aa 2-1"]);
    // A dependency with a version looks on.
    assert_eq!(resolve(&["needs"]), ["aa 2-1", "needs 1-1"]);
}

#[test]
fn what_a_package_provides_is_taken_where_no_package_has_the_name() {
    let server = Server::of(&[
        package("aa", "1-1").depends("shell"),
        package("versioned", "1-1").depends("shell>=2"),
        package("bash", "5-1").provides("shell"),
        package("zsh", "5-1").provides("shell=3"),
    ]);
    assert_eq!(server.install(&["aa"]), ["aa 1-1", "bash 5-1"]);
    assert_eq!(server.install(&["aa", "zsh"]), ["aa 1-1", "zsh 5-1"]);
    assert_eq!(server.install(&["shell"]), ["bash 5-1"]);
    // What is provided without a version satisfies no relation with one.
    assert_eq!(server.install(&["versioned"]), ["versioned 1-1", "zsh 5-1"]);
}

#[test]
fn a_group_stands_for_all_its_packages() {
    let server = Server::of(&[
        package("gcc", "10-1").groups("base-devel").depends("libc"),
        package("make", "4-1").groups("base-devel"),
        package("libc", "2-1"),
    ]);
    assert_eq!(server.install(&["base-devel"]), ["gcc 10-1", "libc 2-1", "make 4-1"]);
}

#[test]
fn a_package_that_has_been_replaced_is_the_one_that_replaces_it() {
    let server = Server::of(&[package("new", "1-1").replaces("old<3")]);
    assert_eq!(server.install(&["old"]), ["new 1-1"]);
}

#[test]
fn dependencies_may_go_in_a_circle() {
    let server = Server::of(&[
        package("aa", "1-1").depends("bb"),
        package("bb", "1-1").depends("cc"),
        package("cc", "1-1").depends("aa"),
    ]);
    assert_eq!(server.install(&["bb"]), ["aa 1-1", "bb 1-1", "cc 1-1"]);
}

/// Nobody signs a database: what is in it must not exhaust the stack.
#[test]
fn a_very_long_chain_of_dependencies_is_walked() {
    let server = Server::new();
    let keyring = server.keyring.desc.clone();
    let mut files = vec![("archlinux-keyring-20200501-1/desc".to_owned(), keyring)];
    let one = Package::new("this", "1-1").depends("next").pack(&server.keys).desc;
    for at in 0..5_000 {
        let desc = one.replace("this", &format!("p{at}")).replace("next", &format!("p{}", at + 1));
        files.push((format!("p{at}-1-1/desc"), desc));
    }
    let last = Package::new("p5000", "1-1").pack(&server.keys);
    files.push(("p5000-1-1/desc".to_owned(), last.desc));
    let files: Vec<_> = files.iter().map(|(path, desc)| (path.as_str(), desc.as_bytes())).collect();
    server.archive().write_database(MONDAY, "core", &database(&files), 0);
    let archive = Archive::new(&server.store, server.main_keys());
    assert_eq!(archive.choose(&request(&["p0"])).unwrap().len(), 5_002);
}

#[test]
fn initramfs_is_taken_for_installed() {
    let server = Server::of(&[
        package("linux", "5-1").depends("initramfs"),
        package("mkinitcpio", "1-1").provides("initramfs"),
    ]);
    assert_eq!(server.install(&["linux"]), ["linux 5-1"]);
    assert_eq!(server.install(&["linux", "mkinitcpio"]), ["linux 5-1", "mkinitcpio 1-1"]);
}

#[test]
fn of_two_that_conflict_the_one_that_the_other_provides_makes_way() {
    let server = Server::of(&[
        package("vim", "8-1"),
        package("gvim", "8-1").provides("vim=8").conflicts("vim"),
        package("plugin", "1-1").depends("vim"),
    ]);
    assert_eq!(server.install(&["vim", "gvim", "plugin"]), ["gvim 8-1", "plugin 1-1"]);
}

#[test]
fn a_conflict_is_told_as_a_chain() {
    let server = Server::of(&[
        package("aa", "1-1").depends("exim"),
        package("bb", "1-1").depends("smtp-server"),
        package("exim", "4-1").conflicts("smtp-server"),
        package("postfix", "3-1").provides("smtp-server"),
    ]);
    assert_eq!(
        server.conflict(&["aa", "bb"]),
        "  aa is asked for\n  \
           aa 1-1 depends on exim\n  \
           exim 4-1 conflicts with smtp-server: postfix 3-1\n  \
           bb is asked for\n  \
           bb 1-1 depends on smtp-server: postfix 3-1"
    );
}

#[test]
fn a_dependency_that_nothing_satisfies_is_told() {
    let server = Server::of(&[
        package("aa", "1-1").depends("libc>=2.40"),
        package("libc", "2.39-1"),
        package("bb", "1-1").depends("libbb.so=2-64"),
        package("libbb", "1-1").provides("libbb.so=1-64"),
        package("cc", "1-1").depends("nothing"),
    ]);
    let of_aa = server.conflict(&["aa"]);
    assert!(of_aa.contains("libc>=2.40, which nothing satisfies: there is libc 2.39-1"), "{of_aa}");
    let of_bb = server.conflict(&["bb"]);
    assert!(of_bb.contains("libbb 1-1 provides libbb.so=1-64"), "{of_bb}");
    let of_cc = server.conflict(&["cc"]);
    assert!(of_cc.contains("there is no nothing"), "{of_cc}");
}

#[test]
fn where_pacman_gives_up_another_provider_is_found() {
    let server = Server::of(&[
        package("aa", "1-1").depends("shell"),
        package("bash", "5-1").provides("shell").depends("nothing"),
        package("zsh", "5-1").provides("shell"),
    ]);
    assert_eq!(server.install(&["aa"]), ["aa 1-1", "zsh 5-1"]);
}

#[test]
fn a_package_may_provide_its_own_name_in_another_version() {
    let server = Server::of(&[
        package("tool", "2-1").provides("tool=1-1"),
        package("one", "1-1").depends("tool"),
        package("two", "1-1").depends("tool=1-1"),
        package("both", "1-1").depends("one").depends("two"),
    ]);
    let all = ["both 1-1", "one 1-1", "tool 2-1", "two 1-1"];
    assert_eq!(server.install(&["both"]), all);
    assert_eq!(server.install(&["one", "two"]), all[1..]);
    assert_eq!(server.install(&["tool", "two"]), all[2..]);
}

#[test]
fn what_a_package_provides_of_its_own_name_is_the_last_choice() {
    let server = Server::of(&[
        package("tool", "2-1").provides("tool=1-1"),
        package("tool-old", "1-1").provides("tool=1-1"),
        package("two", "1-1").depends("tool=1-1"),
    ]);
    assert_eq!(server.install(&["two"]), ["tool-old 1-1", "two 1-1"]);
    assert_eq!(server.install(&["tool", "two"]), ["tool 2-1", "two 1-1"]);
}

#[test]
fn a_name_that_is_not_there_is_answered_with_similar_ones() {
    let server = Server::of(&[package("nginx", "1-1")]);
    let error = server.resolve(&request(&["ngimx"])).unwrap_err();
    assert_eq!(
        shown(&error),
        "there is no package `ngimx` in core of 2020-06-01\nhelp: did you mean nginx?"
    );
    let error = server.resolve(&request(&["nginx=2-1"])).unwrap_err();
    assert!(matches!(error, Error::UnknownVersion { .. }));
    assert!(shown(&error).contains("there is 1-1"), "{}", shown(&error));
    let error = server.resolve(&request(&["nginx/extra"])).unwrap_err();
    assert!(shown(&error).contains("extra has no package `nginx`"), "{}", shown(&error));
}

#[test]
fn the_order_of_a_request_decides_nothing_and_locks_are_the_same_twice() {
    let packages = [
        package("aa", "1-1").depends("shell"),
        package("bash", "5-1").provides("shell"),
        package("zsh", "5-1").provides("shell"),
    ];
    let server = Server::of(&packages);
    let one = server.resolve(&request(&["aa", "zsh"])).unwrap();
    let other = server.resolve(&request(&["zsh", "aa", "zsh"])).unwrap();
    assert_eq!(one.text("x"), other.text("x"));
    let path = std::path::Path::new("server.lock");
    assert_eq!(lock::Lock::parse(&one.text("x"), path).unwrap(), one);
}
