//! Files that no hash is known of: the caller decides which source is believed.

use crate::server::{Habit, Server};
use crate::{cache, options};
use jiff::civil::date;
use store::{Error, Store};

const PATH: &str = "dists/bookworm/InRelease";
const AT: &str = "/dists/bookworm/InRelease";
const DATED: &str = "/debian/20261101T235959Z/dists/bookworm/InRelease";

#[test]
fn candidates_come_in_the_order_of_sources_and_only_as_they_are_taken() {
    let cache = cache();
    let mirror = Server::start(&[(AT, b"today's", Habit::Whole)]);
    let dated = Server::start(&[(DATED, b"that day's", Habit::Whole)]);
    let mut options = options(&cache).mirror("debian", &mirror.url(""));
    options.dated.debian = vec![dated.url("")];
    let store = Store::open(options).unwrap();
    let mut candidates = store.fetch_index("debian", PATH, date(2026, 11, 1)).unwrap();
    assert_eq!(mirror.requests().len(), 0);
    let first = candidates.next().unwrap();
    assert_eq!((first.source, first.bytes), (mirror.url(""), b"today's".to_vec()));
    assert_eq!(dated.requests().len(), 0);
    let second = candidates.next().unwrap();
    assert_eq!(second.source, dated.url("/debian/20261101T235959Z"));
    assert_eq!(second.bytes, b"that day's");
    assert_eq!(candidates.next(), None);
}

#[test]
fn when_none_is_acceptable_the_error_has_every_source_with_its_reason() {
    let cache = cache();
    let forged = Server::start(&[(AT, b"forged", Habit::Whole)]);
    let broken = Server::start(&[(AT, b"1234", Habit::Breaks { after: 2, times: usize::MAX })]);
    let without = Server::start(&[]);
    let options = [&forged, &broken, &without]
        .iter()
        .fold(options(&cache), |options, server| options.mirror("debian", &server.url("")));
    let store = Store::open(options).unwrap();
    let mut candidates = store.fetch_index("debian", PATH, date(2026, 11, 1)).unwrap();
    while let Some(candidate) = candidates.next() {
        candidates.refuse(&candidate.source, "its signature is wrong");
    }
    let Error::Unavailable { failures } = candidates.into_error() else { panic!() };
    let shown: Vec<String> = failures[0].refusals.iter().map(ToString::to_string).collect();
    assert_eq!(failures[0].name, "debian: dists/bookworm/InRelease");
    assert_eq!(shown[0], format!("{} was not accepted: its signature is wrong", forged.url("")));
    assert!(shown[1].starts_with(&broken.url("")), "{shown:?}");
    assert_eq!(shown[2], format!("{} does not have it", without.url("")));
    assert_eq!(broken.requests().len(), 4, "a broken connection is tried again");
}

#[test]
fn offline_has_no_candidates() {
    let cache = cache();
    let mirror = Server::start(&[(AT, b"today's", Habit::Whole)]);
    let options = options(&cache).mirror("debian", &mirror.url("")).offline(true);
    let store = Store::open(options).unwrap();
    let mut candidates = store.fetch_index("debian", PATH, date(2026, 11, 1)).unwrap();
    assert_eq!(candidates.next(), None);
    let error = candidates.into_error();
    assert!(matches!(error, Error::OfflineIndex { .. }), "{error}");
    // A vault would not help: it is never asked for an index.
    assert!(!error.hint().unwrap().contains("--vault"), "{error}");
    assert_eq!(mirror.requests().len(), 0);
}

#[test]
fn paths_that_leave_the_archive_are_refused() {
    let cache = cache();
    let store = Store::open(options(&cache)).unwrap();
    let result = store.fetch_index("debian", "../InRelease", date(2026, 11, 1));
    assert!(matches!(result, Err(Error::ArchivePath { .. })));
}
