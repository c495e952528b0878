//! One day and another: forward, back, and databases that are older than they should be.

use archive::Error;
use testarchive::Package;

use crate::server::{MONDAY, Server, TUESDAY, WEDNESDAY, names, request_of, shown};

/// `aa` 1 on Monday, 2 on Tuesday.
fn two_days() -> Server {
    let server = Server::new();
    let pack = |version| Package::new("aa", version).pack(&server.keys);
    let (one, two) = (pack("1-1"), pack("2-1"));
    server.archive().day(MONDAY, "core", &[&server.keyring, &one]).day(
        TUESDAY,
        "core",
        &[&server.keyring, &two],
    );
    server
}

#[test]
fn a_later_date_updates_and_an_earlier_one_goes_back() {
    let server = two_days();
    let monday = server.resolve(&request_of(MONDAY, &["aa"])).unwrap();
    let tuesday = server.resolve_after(&request_of(TUESDAY, &["aa"]), &monday).unwrap();
    let back = server.resolve_after(&request_of(MONDAY, &["aa"]), &tuesday).unwrap();
    assert_eq!(names(&monday), ["aa 1-1"]);
    assert_eq!(names(&tuesday), ["aa 2-1"]);
    assert_eq!(back, monday);
    let outdated = lock::outdated(&monday, &tuesday);
    assert_eq!(outdated.len(), 1);
    assert_eq!(outdated[0].available.as_deref(), Some("2-1"));
}

#[test]
fn a_database_older_than_that_of_the_lock_is_refused() {
    let server = two_days();
    let tuesday = server.resolve(&request_of(TUESDAY, &["aa"])).unwrap();
    // Wednesday has Monday's again.
    let core = |date| server.archive().repository(date, "core");
    std::fs::create_dir_all(core(WEDNESDAY)).unwrap();
    std::fs::copy(core(MONDAY).join("core.db"), core(WEDNESDAY).join("core.db")).unwrap();
    let error = server.resolve_after(&request_of(WEDNESDAY, &["aa"]), &tuesday).unwrap_err();
    assert!(matches!(error, Error::NoIndex { .. }));
    let text = shown(&error);
    assert!(text.contains("an old index is replayed"), "{text}");
    assert!(text.contains("set `date` to an earlier day"), "{text}");
}

#[test]
fn a_database_from_after_the_day_is_refused() {
    let server = two_days();
    let core = |date| server.archive().repository(date, "core");
    std::fs::copy(core(TUESDAY).join("core.db"), core(MONDAY).join("core.db")).unwrap();
    let text = shown(&server.resolve(&request_of(MONDAY, &["aa"])).unwrap_err());
    assert!(text.contains("it is of 2020-06-02, after that day"), "{text}");
}

#[test]
fn a_lock_of_the_day_is_made_again_from_the_same_database() {
    let server = two_days();
    let lock = server.resolve(&request_of(TUESDAY, &["aa"])).unwrap();
    std::fs::remove_dir_all(server.archive().repository(TUESDAY, "core")).unwrap();
    let again = server.resolve_after(&request_of(TUESDAY, &["aa"]), &lock).unwrap();
    assert_eq!(again, lock);
}

#[test]
fn a_day_that_the_archive_does_not_have_is_told_with_every_source() {
    let server = two_days();
    let text = shown(&server.resolve(&request_of(WEDNESDAY, &["aa"])).unwrap_err());
    assert!(text.contains("no index of core can be used for 2020-06-03"), "{text}");
    assert!(text.contains("127.0.0.1"), "{text}");
}

#[test]
fn ids_of_the_lock_before_are_handed_on() {
    let server = two_days();
    let mut monday = server.resolve(&request_of(MONDAY, &["aa"])).unwrap();
    monday.users.insert("http".to_owned(), 233);
    let tuesday = server.resolve_after(&request_of(TUESDAY, &["aa"]), &monday).unwrap();
    assert_eq!(tuesday.users, monday.users);
}
