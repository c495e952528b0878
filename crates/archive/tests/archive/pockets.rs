//! What is asked for from a suite that nothing is taken from unasked brings what it needs from there.

use lock::debian::{Pocket, Request};

use crate::fake::{Fake, Suite, TODAY, names, request};

/// `x`, and `x-backports` beside it.
fn backports(release: &str, newer: &str) -> Fake {
    let mut fake = Fake::of(release);
    let lists = &[("amd64", newer)];
    let suite = Suite { name: "x-backports", not_automatic: true, lists, ..Suite::default() };
    fake.add("mirror", &suite);
    fake
}

fn asked(packages: &[&str]) -> Request {
    Request { pockets: vec![Pocket::Backports], ..request(packages) }
}

/// The kernel of trixie's backports: the metapackage is in both suites, the image that it names in
/// one, and so is the version of linux-base that this needs.
fn with_kernel() -> Fake {
    backports(
        "Package: kernel
         Depends: image-6

         Package: image-6
         Depends: base

         Package: base
         Version: 4.12

         Package: tool
         Depends: base",
        "Package: kernel
         Version: 2
         Depends: image-7

         Package: image-7
         Depends: base (>= 4.17~), fresh

         Package: base
         Version: 4.17~bpo13+1

         Package: fresh
         Depends: fresher

         Package: fresher
         Depends: tool (>= 2)

         Package: tool
         Version: 2",
    )
}

#[test]
fn what_only_a_pocket_has_brings_its_own_needs_from_there() {
    let fake = with_kernel();
    assert_eq!(fake.resolve(&asked(&["kernel"])).unwrap(), ["base 4.12", "image-6 1", "kernel 1"]);
    assert_eq!(
        fake.resolve(&asked(&["kernel/x-backports"])).unwrap(),
        ["base 4.17~bpo13+1", "fresh 1", "fresher 1", "image-7 1", "kernel 2", "tool 2"]
    );
}

#[test]
fn what_the_release_has_too_stays_the_release_s_where_it_will_do() {
    let fake = backports(
        "Package: lib

         Package: other",
        "Package: app
         Version: 2
         Depends: part, other

         Package: part
         Version: 2
         Depends: lib | fallback

         Package: lib
         Version: 2

         Package: other
         Version: 2",
    );
    assert_eq!(
        fake.resolve(&asked(&["app/x-backports"])).unwrap(),
        ["app 2", "lib 1", "other 1", "part 2"]
    );
}

#[test]
fn packages_of_a_pocket_that_need_each_other_come_together() {
    let fake = backports(
        "Package: app",
        "Package: app
         Version: 2
         Depends: one

         Package: one
         Depends: two

         Package: two
         Depends: one, base (>= 2)

         Package: base
         Version: 2",
    );
    assert_eq!(
        fake.resolve(&asked(&["app/x-backports"])).unwrap(),
        ["app 2", "base 2", "one 1", "two 1"]
    );
}

#[test]
fn what_is_recommended_comes_from_the_pocket_too_where_it_is_asked_for() {
    let fake = backports(
        "Package: doc
         Version: 1",
        "Package: app
         Recommends: doc (>= 2)

         Package: doc
         Version: 2",
    );
    let mut request = asked(&["app/x-backports"]);
    assert_eq!(fake.resolve(&request).unwrap(), ["app 1"]);
    request.recommends = true;
    assert_eq!(fake.resolve(&request).unwrap(), ["app 1", "doc 2"]);
}

#[test]
fn a_lock_follows_when_a_package_is_asked_for_from_a_pocket_now() {
    let fake = with_kernel();
    let archive = fake.archive();
    let lock = archive.resolve(&asked(&["kernel", "tool"]), None).unwrap();
    assert_eq!(names(&lock), ["base 4.12", "image-6 1", "kernel 1", "tool 1"]);
    let moved = archive.update(&asked(&["kernel/x-backports", "tool"]), &lock, &[]).unwrap();
    let expected = ["base 4.17~bpo13+1", "fresh 1", "fresher 1", "image-7 1", "kernel 2", "tool 2"];
    assert_eq!(names(&moved), expected);
    // A package that the pocket's kernel holds up there cannot move down alone.
    let asked = Request { date: TODAY, ..asked(&["kernel/x-backports", "tool"]) };
    let again = archive.update(&asked, &moved, &["base".to_owned()]).unwrap();
    assert_eq!(names(&again), expected);
}
