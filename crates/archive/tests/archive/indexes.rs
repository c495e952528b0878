//! Which index may stand for a day.

use std::error::Error as _;

use archive::{Error, WhyNot};
use jiff::civil::date;

use crate::certificate::Certificate;
use crate::fake::{Fake, Suite, TODAY, names, request};

fn refusals(result: Result<Vec<String>, Error>) -> (Vec<WhyNot>, String) {
    match result {
        Err(error @ Error::NoIndex { .. }) => {
            let text = error.source().unwrap().to_string();
            match error {
                Error::NoIndex { refusals, .. } => (refusals, text),
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
}

/// `aa` of a version, in a suite that was signed at some time.
fn signed<'s>(when: &'s str, lists: &'s [(&'s str, &'s str)]) -> Suite<'s> {
    Suite { date: when, lists, ..Suite::default() }
}

const ONE: &[(&str, &str)] = &[("amd64", "Package: aa\nVersion: 1")];
const TWO: &[(&str, &str)] = &[("amd64", "Package: aa\nVersion: 2")];

#[test]
fn an_index_that_is_newer_than_the_day_is_passed_over_for_the_next_source() {
    let mut fake = Fake::empty();
    fake.add("mirror", &signed("Tue, 16 Jun 2020 00:00:00 UTC", TWO));
    let (why, text) = refusals(fake.resolve(&request(&["aa"])));
    assert!(matches!(why.as_slice(), [WhyNot::TooNew(day)] if *day == date(2020, 6, 16)));
    assert_eq!(text, "mirror: it is of 2020-06-16, after that day");
    fake.add("dated archive", &signed("Mon, 15 Jun 2020 23:59:59 UTC", ONE));
    assert_eq!(fake.install(&["aa"]), ["aa 1"]);
}

#[test]
fn every_source_is_named_with_its_reason() {
    let mut fake = Fake::empty();
    let suite = signed("Mon, 01 Jun 2020 12:00:00 UTC", ONE);
    let release = fake.release(&suite);
    fake.add_signed("unsigned", "x", release.clone());
    fake.add_signed("foreign", "x", Certificate::good(2).sign(&release));
    let broken = fake.certificate.sign(&release).replace("stable", "tested");
    fake.add_signed("broken", "x", broken);
    let other = fake.release(&Suite { name: "y", ..suite.clone() });
    fake.add_signed("confused", "x", fake.certificate.sign(&other));
    fake.add_signed("senseless", "x", fake.certificate.sign("Codename: x\n"));
    fake.add_signed("elsewhere", "z", String::new());
    let (why, text) = refusals(fake.resolve(&request(&["aa"])));
    assert!(matches!(
        why.as_slice(),
        [
            WhyNot::Signature(_),
            WhyNot::Signature(_),
            WhyNot::Signature(_),
            WhyNot::OtherSuite(_),
            WhyNot::Malformed(_)
        ]
    ));
    let lines: Vec<_> = text.lines().collect();
    for (line, (source, reason)) in lines.iter().zip([
        ("unsigned", "it carries no OpenPGP signature"),
        ("foreign", "not in the keyring"),
        ("broken", "does not fit the text"),
        ("confused", "it is the index of y"),
        ("senseless", "it has no `"),
        ("elsewhere", "not found"),
    ]) {
        assert!(line.starts_with(source) && line.contains(reason), "{line}");
    }
    fake.add("good", &suite);
    assert_eq!(fake.install(&["aa"]), ["aa 1"]);
}

#[test]
fn an_index_that_is_older_than_the_one_of_the_lock_is_refused() {
    let mut newer = Fake::empty();
    newer.add("mirror", &signed("Wed, 10 Jun 2020 00:00:00 UTC", TWO));
    let lock = newer.archive().resolve(&request(&["aa"]), None).unwrap();
    assert_eq!(names(&lock), ["aa 2"]);

    let mut older = Fake::empty();
    older.add("mirror", &signed("Tue, 09 Jun 2020 00:00:00 UTC", ONE));
    let mut request = request(&["aa"]);
    let replayed = older.archive().resolve(&request, Some(&lock));
    let (why, _) = refusals(replayed.map(|lock| names(&lock)));
    assert!(matches!(why.as_slice(), [WhyNot::Replayed { .. }]));
    request.date = TODAY.tomorrow().unwrap();
    let replayed = older.archive().resolve(&request, Some(&lock));
    let error = replayed.unwrap_err();
    assert!(error.hint().unwrap().contains("earlier day"), "{error}");

    // Going back to an earlier day on purpose.
    request.date = date(2020, 6, 9);
    assert_eq!(names(&older.archive().resolve(&request, Some(&lock)).unwrap()), ["aa 1"]);
}

#[test]
fn a_lock_of_the_day_is_resolved_anew_from_its_own_index() {
    let mut fake = Fake::empty();
    fake.add("mirror", &signed("Wed, 10 Jun 2020 00:00:00 UTC", ONE));
    let lock = fake.archive().resolve(&request(&["aa"]), None).unwrap();
    // The mirror moves on, and no dated archive is there.
    fake.add("mirror", &signed("Wed, 17 Jun 2020 00:00:00 UTC", TWO));
    assert!(fake.resolve(&request(&["aa"])).is_err());
    let again = fake.archive().resolve(&request(&["aa"]), Some(&lock)).unwrap();
    assert_eq!(again, lock);
    let mut later = request(&["aa"]);
    later.date = date(2020, 6, 17);
    let moved = fake.archive().resolve(&later, Some(&lock)).unwrap();
    assert_eq!(names(&moved), ["aa 2"]);
}

#[test]
fn what_the_index_does_not_list_is_an_error() {
    let fake = Fake::of("Package: aa");
    let mut request = request(&["aa"]);
    request.components = vec!["contrib".to_owned()];
    assert_eq!(fake.resolve(&request).unwrap_err().to_string(), "x has no contrib for amd64");
    request.components = vec!["main".to_owned()];
    request.architectures = vec!["riscv64".to_owned()];
    assert_eq!(fake.resolve(&request).unwrap_err().to_string(), "x has no main for riscv64");
}

#[test]
fn a_list_that_is_not_understood_is_an_error_that_names_it() {
    for (list, reason) in [
        ("no control file at all", "it is no control file"),
        ("Package: aa\nSize: much", "`Size`"),
        ("Package: aa\nSHA256: abc", "`SHA256`"),
        ("Package: ../aa", "`Package`"),
        ("Package: aa\nMulti-Arch: maybe", "`Multi-Arch`"),
        ("Package: aa\nVersion: one two", "`one two` is not a Debian version"),
        ("Package: aa\nProvides: (= 1)", "is not a relation"),
        ("Version: 1", "has no `Package`"),
    ] {
        let error = Fake::of(list).resolve(&request(&["aa"])).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("cannot understand main/binary-amd64/Packages of x: "), "{text}");
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn an_archive_that_lists_what_no_lock_may_hold_is_refused() {
    for list in [
        "Package: aa\nFilename: ../../etc/passwd",
        "Package: aa\nFilename: /pool/aa.deb",
        "Package: aa\nSize: 0",
        "Package: aa\nSize: 9000000000000000000",
    ] {
        let error = Fake::of(list).resolve(&request(&["aa"])).unwrap_err();
        assert!(matches!(error, Error::Request { .. }), "{error}");
    }
}

#[test]
fn a_release_is_named_by_its_codename() {
    let mut fake = Fake::empty();
    let release = fake.release(&Suite::default());
    let signed = fake.certificate.sign(&release);
    fake.add_signed("mirror", "stable", signed);
    let mut request = request(&["aa"]);
    request.suite = "stable".to_owned();
    let error = fake.resolve(&request).unwrap_err();
    assert_eq!(error.to_string(), "no index of stable can be used for 2020-06-15");
    assert!(error.hint().unwrap().contains("codename"));
}
