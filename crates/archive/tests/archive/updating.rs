//! How locks move.

use lock::{Diff, outdated};

use crate::fake::{Fake, Suite, names, request};

const OLD: &[(&str, &str)] = &[(
    "amd64",
    "Package: app
     Version: 1
     Depends: lib (= 1), tool | gadget

     Package: lib
     Version: 1

     Package: tool
     Version: 1

     Package: gadget
     Version: 1

     Package: other
     Version: 1
     Depends: gadget

     Package: gone
     Version: 1",
)];

const NEW: &[(&str, &str)] = &[(
    "amd64",
    "Package: app
     Version: 2
     Depends: lib (= 2), tool | gadget, extra

     Package: app
     Version: 1
     Depends: lib (= 1), tool | gadget

     Package: lib
     Version: 2

     Package: lib
     Version: 1

     Package: tool
     Version: 2

     Package: tool
     Version: 1

     Package: gadget
     Version: 2

     Package: extra
     Version: 2

     Package: other
     Version: 2",
)];

/// An archive before and after, with a lock of before.
fn archives() -> (Fake, Fake) {
    let (mut old, mut new) = (Fake::empty(), Fake::empty());
    old.add("mirror", &Suite { lists: OLD, ..Suite::default() });
    let date = "Fri, 12 Jun 2020 00:00:00 UTC";
    new.add("mirror", &Suite { lists: NEW, date, ..Suite::default() });
    (old, new)
}

#[test]
fn an_update_of_one_package_moves_it_and_what_it_needs() {
    let (old, new) = archives();
    let request = request(&["app", "tool"]);
    let lock = old.archive().resolve(&request, None).unwrap();
    assert_eq!(names(&lock), ["app 1", "lib 1", "tool 1"]);

    let archive = new.archive();
    let moved = archive.update(&request, &lock, &["tool".to_owned()]).unwrap();
    assert_eq!(names(&moved), ["app 1", "lib 1", "tool 2"]);
    let moved = archive.update(&request, &lock, &["app".to_owned()]).unwrap();
    assert_eq!(names(&moved), ["app 2", "extra 2", "lib 2", "tool 1"], "tool will do still");
    let moved = archive.update(&request, &lock, &[]).unwrap();
    assert_eq!(moved.packages, lock.packages);
    let error = archive.update(&request, &lock, &["nano".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("no package `nano`"), "{error}");
    let all = archive.resolve(&request, Some(&lock)).unwrap();
    assert_eq!(names(&all), ["app 2", "extra 2", "lib 2", "tool 2"]);
}

#[test]
fn an_update_keeps_the_alternative_that_is_locked() {
    let (old, new) = archives();
    let lock = old.archive().resolve(&request(&["app", "gadget"]), None).unwrap();
    assert_eq!(names(&lock), ["app 1", "gadget 1", "lib 1"]);
    let app = request(&["app"]);
    let moved = new.archive().update(&app, &lock, &["app".to_owned()]).unwrap();
    assert_eq!(names(&moved), ["app 2", "extra 2", "gadget 2", "lib 2"]);
    let all = new.archive().resolve(&app, Some(&lock)).unwrap();
    assert_eq!(names(&all), ["app 2", "extra 2", "lib 2", "tool 2"]);
}

#[test]
fn an_update_of_a_library_takes_along_what_needs_that_version() {
    let (old, new) = archives();
    let request = request(&["app", "tool"]);
    let lock = old.archive().resolve(&request, None).unwrap();
    let moved = new.archive().update(&request, &lock, &["lib".to_owned()]).unwrap();
    assert_eq!(names(&moved), ["app 2", "extra 2", "lib 2", "tool 1"]);
}

#[test]
fn what_the_archive_has_no_more_moves_too() {
    let (old, new) = archives();
    let request = request(&["other", "tool"]);
    let lock = old.archive().resolve(&request, None).unwrap();
    let moved = new.archive().update(&request, &lock, &[]).unwrap();
    assert_eq!(names(&moved), ["other 2", "tool 1"]);
}

#[test]
fn ids_of_users_outlive_an_update() {
    let (old, new) = archives();
    let mut lock = old.archive().resolve(&request(&["tool"]), None).unwrap();
    lock.users.insert("postfix".to_owned(), 101);
    lock.groups.insert("postfix".to_owned(), 102);
    let moved = new.archive().resolve(&request(&["tool"]), Some(&lock)).unwrap();
    assert_eq!((moved.users, moved.groups), (lock.users, lock.groups));
}

#[test]
fn a_difference_names_what_came_went_and_changed() {
    let (old, new) = archives();
    let before = old.archive().resolve(&request(&["app", "gone"]), None).unwrap();
    let after = new.archive().resolve(&request(&["app"]), None).unwrap();
    let diff = Diff::between(Some(&before), &after);
    assert_eq!(diff.to_string(), "~ app 1 -> 2\n+ extra 2\n- gone 1\n~ lib 1 -> 2\n~ tool 1 -> 2");
    assert!(Diff::between(Some(&after), &after).is_empty());
    assert_eq!(Diff::between(None, &after).added.len(), after.packages.len());
    let old: Vec<_> = outdated(&before, &after)
        .into_iter()
        .map(|package| (package.name, package.locked, package.available))
        .collect();
    let text = str::to_owned;
    assert_eq!(
        old,
        [
            (text("app"), text("1"), Some(text("2"))),
            (text("gone"), text("1"), None),
            (text("lib"), text("1"), Some(text("2"))),
            (text("tool"), text("1"), Some(text("2"))),
        ]
    );
}

#[test]
fn a_request_has_another_digest_when_it_asks_for_something_else() {
    let asked = request(&["aa", "bb"]);
    assert_eq!(asked.digest(), request(&["bb", "aa"]).digest());
    let mut reworded = asked.clone();
    let pin =
        |reason: &str| lock::Pin { name: "aa".into(), version: "1".into(), reason: reason.into() };
    reworded.pins = vec![pin("one")];
    let pinned = reworded.digest();
    reworded.pins = vec![pin("another")];
    assert_eq!(reworded.digest(), pinned, "a reason is for people");

    let changes: [fn(&mut lock::debian::Request); 9] = [
        |r| r.suite = "y".into(),
        |r| r.pockets = vec![lock::debian::Pocket::Updates],
        |r| r.components.push("contrib".into()),
        |r| r.date = jiff::civil::date(2020, 6, 16),
        |r| r.architectures.push("i386".into()),
        |r| r.install[0] = "aa=2".parse().unwrap(),
        |r| r.recommends = true,
        |r| r.essential = false,
        |r| r.assume_installed.push("aa".into()),
    ];
    let mut digests = std::collections::HashSet::from([asked.digest(), pinned]);
    for change in changes {
        let mut other = asked.clone();
        change(&mut other);
        assert!(digests.insert(other.digest()), "{other:?}");
    }
}
