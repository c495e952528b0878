//! Which packages are taken.

use archive::Error;
use lock::Pin;
use lock::debian::Pocket;
use proptest::prelude::*;

use crate::fake::{Fake, Suite, TODAY, names, request};

#[test]
fn what_is_needed_is_taken_and_nothing_else() {
    let fake = Fake::of(
        "Package: aa
         Depends: bb (>= 1), cc

         Package: bb
         Pre-Depends: dd

         Package: cc
         Recommends: ee

         Package: dd

         Package: ee",
    );
    assert_eq!(fake.install(&["aa"]), ["aa 1", "bb 1", "cc 1", "dd 1"]);
    let mut with_recommended = request(&["aa"]);
    with_recommended.recommends = true;
    assert_eq!(fake.resolve(&with_recommended).unwrap(), ["aa 1", "bb 1", "cc 1", "dd 1", "ee 1"]);
}

#[test]
fn essential_packages_are_there_unless_a_closure_is_asked_for() {
    let fake = Fake::of(
        "Package: aa

         Package: ess
         Essential: yes
         Depends: lib

         Package: lib",
    );
    assert_eq!(fake.install(&["aa"]), ["aa 1", "ess 1", "lib 1"]);
    let closure = request(&[]).closure(vec!["aa".parse().unwrap()]);
    assert_eq!(fake.resolve(&closure).unwrap(), ["aa 1"]);
}

#[test]
fn the_first_alternative_is_taken_unless_another_is_there_anyway() {
    let fake = Fake::of(
        "Package: aa
         Depends: bb | cc

         Package: bb

         Package: cc

         Package: dd
         Depends: cc, aa",
    );
    assert_eq!(fake.install(&["aa"]), ["aa 1", "bb 1"]);
    assert_eq!(fake.install(&["aa", "cc"]), ["aa 1", "cc 1"]);
    assert_eq!(fake.install(&["dd"]), ["aa 1", "cc 1", "dd 1"]);
}

#[test]
fn an_alternative_that_cannot_be_had_is_passed_over() {
    let fake = Fake::of(
        "Package: aa
         Depends: none | old (>= 2) | bb | cc

         Package: old

         Package: bb
         Depends: missing

         Package: cc",
    );
    assert_eq!(fake.install(&["aa"]), ["aa 1", "cc 1"]);
}

#[test]
fn a_package_of_the_name_comes_before_those_that_provide_it() {
    let fake = Fake::of(
        "Package: aa
         Depends: mta

         Package: first
         Provides: mta
         Priority: important

         Package: mta
         Priority: optional

         Package: bb
         Depends: virtual

         Package: low
         Provides: virtual
         Priority: optional

         Package: high
         Provides: virtual
         Priority: standard",
    );
    assert_eq!(fake.install(&["aa"]), ["aa 1", "mta 1"]);
    assert_eq!(fake.install(&["bb"]), ["bb 1", "high 1"], "then priority decides");
}

#[test]
fn only_a_versioned_provides_satisfies_a_versioned_relation() {
    let fake = Fake::of(
        "Package: aa
         Depends: api (>= 2)

         Package: plain
         Provides: api

         Package: old
         Provides: api (= 1)

         Package: new
         Provides: api (= 2)",
    );
    assert_eq!(fake.install(&["aa"]), ["aa 1", "new 1"]);
}

#[test]
fn a_virtual_package_can_be_asked_for_when_there_is_no_choice() {
    let fake = Fake::of(
        "Package: one
         Provides: single, several

         Package: two
         Provides: several",
    );
    assert_eq!(fake.install(&["single"]), ["one 1"]);
    match fake.resolve(&request(&["several"])) {
        Err(error @ Error::UnknownPackage { .. }) => {
            assert_eq!(error.hint().unwrap(), "did you mean one, two?");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_conflict_decides_between_alternatives() {
    let fake = Fake::of(
        "Package: aa
         Depends: bb | cc

         Package: bb
         Conflicts: dd

         Package: cc

         Package: dd",
    );
    assert_eq!(fake.install(&["aa", "dd"]), ["aa 1", "cc 1", "dd 1"]);
}

#[test]
fn the_solver_finds_what_a_walk_in_order_misses() {
    // The walk takes one for aa, and only then learns that bb cannot bear it.
    let fake = Fake::of(
        "Package: aa
         Depends: one | two

         Package: bb
         Depends: three

         Package: one

         Package: two

         Package: three
         Breaks: one (<< 2)",
    );
    assert_eq!(fake.install(&["aa", "bb"]), ["aa 1", "bb 1", "three 1", "two 1"]);
}

#[test]
fn a_package_does_not_conflict_with_what_it_provides_itself() {
    let fake = Fake::of(
        "Package: exim
         Provides: mta
         Conflicts: mta

         Package: postfix
         Provides: mta
         Conflicts: mta

         Package: mutt
         Depends: mta",
    );
    assert_eq!(fake.install(&["postfix", "mutt"]), ["mutt 1", "postfix 1"]);
    assert_eq!(
        fake.conflict(&["exim", "postfix"]),
        "  exim is asked for\n  exim 1 conflicts with mta: postfix 1\n  postfix is asked for"
    );
}

#[test]
fn the_newest_version_of_all_suites_is_taken() {
    let mut fake = Fake::of("Package: aa\nVersion: 1.0-1");
    let security = Suite {
        name: "x-security",
        lists: &[("amd64", "Package: aa\nVersion: 1.0-1+deb12u1")],
        ..Suite::default()
    };
    fake.add("mirror", &security);
    let mut request = request(&["aa"]);
    assert_eq!(fake.resolve(&request).unwrap(), ["aa 1.0-1"]);
    request.pockets = vec![Pocket::Security];
    assert_eq!(fake.resolve(&request).unwrap(), ["aa 1.0-1+deb12u1"]);
    let lock = fake.archive().resolve(&request, None).unwrap();
    assert_eq!(lock.packages[0].archive, "debian-security");
}

/// `x` with old versions, `x-backports` with new ones.
fn with_backports() -> Fake {
    let mut fake = Fake::of(
        "Package: app
         Depends: lib

         Package: lib
         Version: 1

         Package: base
         Version: 1",
    );
    let newer = "Package: app
         Version: 2
         Depends: lib (>= 2), base (>= 1), fresh

         Package: lib
         Version: 2

         Package: base
         Version: 2

         Package: fresh
         Version: 2";
    fake.add(
        "mirror",
        &Suite {
            name: "x-backports",
            not_automatic: true,
            lists: &[("amd64", newer)],
            ..Suite::default()
        },
    );
    fake
}

#[test]
fn backports_are_taken_when_asked_for_and_for_what_nothing_else_satisfies() {
    let fake = with_backports();
    let mut request = request(&["app"]);
    request.pockets = vec![Pocket::Backports];
    assert_eq!(fake.resolve(&request).unwrap(), ["app 1", "lib 1"]);
    request.install = vec!["app/x-backports".parse().unwrap()];
    assert_eq!(fake.resolve(&request).unwrap(), ["app 2", "base 1", "fresh 2", "lib 2"]);
    request.install = vec!["fresh".parse().unwrap()];
    assert_eq!(fake.resolve(&request).unwrap(), ["fresh 2"], "no other suite has it");
}

#[test]
fn a_version_can_be_asked_for_by_name() {
    let fake = with_backports();
    let mut request = request(&["lib=2", "app"]);
    request.pockets = vec![Pocket::Backports];
    assert_eq!(fake.resolve(&request).unwrap(), ["app 1", "lib 2"]);
    request.install = vec!["lib=3".parse().unwrap()];
    let error = fake.resolve(&request).unwrap_err();
    assert_eq!(error.to_string(), "lib has no version 3 in x, x-backports of 2020-06-15");
    assert_eq!(error.hint().unwrap(), "there is 2, 1");
}

#[test]
fn a_suite_that_does_not_have_the_package_is_an_error() {
    let fake = Fake::of("Package: aa");
    let error = fake.resolve(&request(&["aa/x-backports"])).unwrap_err();
    assert_eq!(error.to_string(), "x-backports has no package `aa`");
}

fn pin(name: &str, version: &str) -> Pin {
    Pin { name: name.to_owned(), version: version.to_owned(), reason: "a test".to_owned() }
}

/// Two versions of everything, each daemon with its own library.
fn with_two_versions() -> Fake {
    let mut fake = Fake::of(
        "Package: daemon
         Version: 1
         Depends: lib (= 1)

         Package: lib
         Version: 1",
    );
    let newer = "Package: daemon
         Version: 2
         Depends: lib (= 2)

         Package: lib
         Version: 2";
    fake.add(
        "mirror",
        &Suite { name: "x-updates", lists: &[("amd64", newer)], ..Suite::default() },
    );
    fake
}

#[test]
fn a_pin_wins_and_what_it_needs_follows() {
    let fake = with_two_versions();
    let mut request = request(&["daemon"]);
    request.pockets = vec![Pocket::Updates];
    assert_eq!(fake.resolve(&request).unwrap(), ["daemon 2", "lib 2"]);
    request.pins = vec![pin("lib", "1")];
    assert_eq!(fake.resolve(&request).unwrap(), ["daemon 1", "lib 1"]);
    request.install = vec!["daemon=2".parse().unwrap()];
    match fake.resolve(&request) {
        Err(Error::Unsatisfiable { explanation }) => assert_eq!(
            explanation,
            "  daemon=2 is asked for\n  daemon 2 depends on lib (= 2), which nothing satisfies: \
             lib 1 is the one to be taken"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pin_to_a_version_that_is_not_there_is_an_error() {
    let fake = with_two_versions();
    let mut request = request(&["daemon"]);
    request.pins = vec![pin("lib", "3")];
    let error = fake.resolve(&request).unwrap_err();
    assert_eq!(error.to_string(), "lib has no version 3 in x of 2020-06-15");
    assert!(error.hint().unwrap().starts_with("there is 1; a version of another day"));
    request.pins = vec![pin("libb", "3")];
    let error = fake.resolve(&request).unwrap_err();
    assert_eq!(error.to_string(), "there is no package `libb` in x of 2020-06-15");
    assert_eq!(error.hint().unwrap(), "did you mean lib?");
}

#[test]
fn a_missing_dependency_is_told_from_the_request_on() {
    let fake = Fake::of(
        "Package: aa
         Depends: bb

         Package: bb
         Depends: cc (>= 2) | dd

         Package: cc
         Version: 1.5",
    );
    assert_eq!(
        fake.conflict(&["aa"]),
        "  aa is asked for\n  aa 1 depends on bb\n  bb 1 depends on cc (>= 2) | dd, which nothing \
         satisfies: there is cc 1.5, there is no dd"
    );
}

#[test]
fn every_alternative_is_told_when_none_will_do() {
    let fake = Fake::of(
        "Package: client
         Depends: exim | sendmail

         Package: exim
         Conflicts: mta

         Package: sendmail
         Breaks: postfix

         Package: postfix
         Provides: mta",
    );
    assert_eq!(
        fake.conflict(&["client", "postfix"]),
        "  client is asked for\n  client 1 depends on exim | sendmail\n    exim 1 conflicts with \
         mta: postfix 1\n    sendmail 1 breaks postfix: postfix 1\n  postfix is asked for"
    );
}

#[test]
fn what_is_assumed_to_be_installed_is_not_taken() {
    let fake = Fake::of(
        "Package: aa
         Depends: libc, init | other

         Package: libc

         Package: systemd
         Provides: init

         Package: other",
    );
    let mut request = request(&["aa"]);
    request.assume_installed = vec!["libc".to_owned(), "systemd".to_owned()];
    assert_eq!(fake.resolve(&request).unwrap(), ["aa 1"]);
}

#[test]
fn packages_of_another_architecture_bring_their_own_libraries() {
    let mut fake = Fake::empty();
    let amd64 = "Package: tool
         Multi-Arch: foreign

         Package: python
         Multi-Arch: allowed

         Package: lib
         Multi-Arch: same

         Package: single

         Package: data
         Architecture: all
         Multi-Arch: foreign";
    let i386 = "Package: game
         Depends: tool, lib, python:any, data

         Package: lib
         Multi-Arch: same

         Package: single

         Package: data
         Architecture: all
         Multi-Arch: foreign

         Package: script
         Depends: python";
    fake.add("mirror", &Suite { lists: &[("amd64", amd64), ("i386", i386)], ..Suite::default() });
    let mut request = request(&["game:i386", "lib"]);
    request.architectures.push("i386".to_owned());
    let lock = fake.archive().resolve(&request, None).unwrap();
    let found: Vec<_> =
        lock.packages.iter().map(|p| format!("{}:{}", p.name, p.architecture)).collect();
    assert_eq!(
        found,
        ["data:all", "game:i386", "lib:amd64", "lib:i386", "python:amd64", "tool:amd64"]
    );
    request.install = vec!["single".parse().unwrap(), "single:i386".parse().unwrap()];
    assert!(matches!(fake.resolve(&request), Err(Error::Unsatisfiable { .. })));
    request.install = vec!["script:i386".parse().unwrap()];
    assert!(
        matches!(fake.resolve(&request), Err(Error::Unsatisfiable { .. })),
        "python of amd64 is no python of i386"
    );
    request.install = vec!["game:arm64".parse().unwrap()];
    assert!(matches!(fake.resolve(&request), Err(Error::Request { .. })));
}

#[test]
fn the_order_of_a_request_decides_nothing() {
    let fake = Fake::of(
        "Package: aa
         Depends: cc | dd

         Package: bb
         Depends: dd | cc

         Package: cc

         Package: dd",
    );
    let one = fake.archive().resolve(&request(&["aa", "bb", "aa"]), None).unwrap();
    let other = fake.archive().resolve(&request(&["bb", "aa"]), None).unwrap();
    assert_eq!(one, other);
    assert_eq!(names(&one), ["aa 1", "bb 1", "cc 1"]);
    assert_eq!(one.date, TODAY);
}

#[test]
fn a_relation_that_is_not_understood_is_an_error_where_it_matters() {
    let fake = Fake::of("Package: aa\nDepends: bb (~ 1)\n\nPackage: bb\n");
    let error = fake.resolve(&request(&["aa"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot understand main/binary-amd64/Packages of x: package aa 1: `bb (~ 1)` is not a \
         relation between packages"
    );
    assert_eq!(fake.install(&["bb"]), ["bb 1"]);
}

/// A small archive: for each package the packages that it depends on, as alternatives, and those
/// that it conflicts with.
#[derive(Clone, Debug)]
struct Small(Vec<(Vec<Vec<usize>>, Vec<usize>)>);

fn small() -> impl Strategy<Value = Small> {
    const PACKAGES: usize = 7;
    let group = proptest::collection::vec(0..PACKAGES, 1..4);
    let groups = proptest::collection::vec(group, 0..3);
    let conflicts = proptest::collection::vec(0..PACKAGES, 0..2);
    proptest::collection::vec((groups, conflicts), PACKAGES).prop_map(Small)
}

impl Small {
    fn text(&self) -> String {
        let name = |id: &usize| format!("p{id}");
        let list = |ids: &[usize], between| ids.iter().map(name).collect::<Vec<_>>().join(between);
        let stanza = |(id, (depends, conflicts)): (usize, &(Vec<Vec<usize>>, Vec<usize>))| {
            let groups: Vec<_> = depends.iter().map(|group| list(group, " | ")).collect();
            let (depends, conflicts) = (groups.join(", "), list(conflicts, ", "));
            format!("Package: p{id}\nDepends: {depends}\nConflicts: {conflicts}\n\n")
        };
        self.0.iter().enumerate().map(stanza).collect()
    }

    /// Whether a set of packages, given as bits, holds together.
    fn holds(&self, set: usize) -> bool {
        let has = |id: &usize| set >> id & 1 == 1;
        self.0.iter().enumerate().filter(|(id, _)| has(id)).all(|(id, (depends, conflicts))| {
            depends.iter().all(|group| group.iter().any(has))
                && !conflicts.iter().any(|other| *other != id && has(other))
        })
    }
}

proptest! {
    #[test]
    fn what_is_chosen_holds_together_and_is_found_whenever_it_exists(
        small in small(),
        roots in proptest::collection::vec(0..7usize, 1..3),
    ) {
        let fake = Fake::of(&small.text());
        let asked: Vec<_> = roots.iter().map(|id| format!("p{id}")).collect();
        let asked: Vec<_> = asked.iter().map(String::as_str).collect();
        let wanted = roots.iter().fold(0, |set, id| set | 1 << id);
        match fake.resolve(&request(&asked)) {
            Ok(chosen) => {
                let set = chosen.iter().fold(0, |set, package| {
                    let id: usize = package[1..2].parse().unwrap();
                    set | 1 << id
                });
                prop_assert!(small.holds(set), "{chosen:?}");
                prop_assert_eq!(set & wanted, wanted);
            }
            Err(Error::Unsatisfiable { explanation }) => {
                let possible = (0..128).find(|set| set & wanted == wanted && small.holds(*set));
                prop_assert_eq!(possible, None, "{}", explanation);
                prop_assert!(!explanation.trim().is_empty());
            }
            Err(other) => panic!("{other}"),
        }
    }
}
