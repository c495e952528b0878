//! What is not the file that was asked for is refused, and the next source asked.

use crate::server::{Habit, Server};
use crate::{cache, content, held, item, options, store};
use proptest::prelude::*;
use std::time::Duration;
use store::{Error, Reason, Store};

/// Fetches one file from a source of this habit, then from a good one. Returns the reason that the
/// first was refused for.
fn refused(bytes: &[u8], habit: Habit) -> Reason {
    let (cache, wanted) = (cache(), item("a.deb", bytes));
    let bad = Server::start(&[("a.deb", bytes, habit)]);
    let good = Server::start(&[("a.deb", bytes, Habit::Whole)]);
    let mut options =
        options(&cache).mirror("debian", &bad.url("")).mirror("debian", &good.url(""));
    options.patience = Duration::from_secs(1);
    let store = Store::open(options).unwrap();
    let fetched = store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted).as_deref(), Some(bytes));
    assert_eq!((fetched.files, fetched.bytes, fetched.reused), (1, bytes.len() as u64, 0));
    assert_eq!(fetched.refused.len(), 1, "{:?}", fetched.refused);
    let (name, refusal) = fetched.refused[0].clone();
    assert_eq!(name, "a.deb");
    assert_eq!(refusal.source, bad.url(""), "the warning names the source");
    refusal.reason
}

#[test]
fn an_altered_file() {
    let bytes = content("a", 300_000);
    let mut other = bytes.clone();
    other[299_999] ^= 1;
    let found = digest::Digest::of(&other);
    assert_eq!(refused(&bytes, Habit::Instead(other)), Reason::Altered { found });
}

#[test]
fn a_file_announced_too_short() {
    let bytes = content("a", 1000);
    let habit = Habit::Instead(bytes[..999].to_vec());
    assert_eq!(refused(&bytes, habit), Reason::Truncated { found: 999, expected: 1000 });
}

#[test]
fn a_file_that_ends_early_each_time() {
    let bytes = content("a", 1000);
    // One byte a time: whoever resumed for ever would get it all.
    let reason = refused(&bytes, Habit::Breaks { after: 1, times: usize::MAX });
    assert!(matches!(reason, Reason::Truncated { expected: 1000, .. }), "{reason:?}");
}

#[test]
fn a_file_announced_too_long() {
    let bytes = content("a", 1000);
    let longer = [bytes.as_slice(), b"!"].concat();
    assert_eq!(refused(&bytes, Habit::Instead(longer)), Reason::Oversized { expected: 1000 });
}

#[test]
fn a_file_that_does_not_end() {
    let bytes = content("a", 1000);
    assert_eq!(refused(&bytes, Habit::Endless), Reason::Oversized { expected: 1000 });
}

#[test]
fn a_file_that_stalls() {
    let bytes = content("a", 1000);
    let reason = refused(&bytes, Habit::Stalls { after: 400 });
    assert_eq!(reason, Reason::Interrupted("nothing came for 1s".into()));
}

#[test]
fn a_source_that_sends_next_to_nothing_is_left_for_the_next_which_goes_on_from_there() {
    let (cache, bytes) = (cache(), content("a", 100_000));
    let slow = Server::start(&[("a.deb", &bytes, Habit::Trickles)]);
    let fast = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let mut options = options(&cache);
    options.patience = Duration::from_secs(1);
    let options = options.mirror("debian", &slow.url("")).mirror("debian", &fast.url(""));
    let store = Store::open(options).unwrap();
    let item = item("a.deb", &bytes);
    let fetched = store.fetch(std::slice::from_ref(&item)).unwrap();
    assert_eq!(fetched.refused.len(), 1);
    assert_eq!(fetched.refused[0].1.reason, Reason::TooSlow { least: 1024 });
    assert_eq!(held(&store, &item).unwrap(), bytes);
    assert!(fast.requests()[0].headers["range"].starts_with("bytes="), "it began anew");
}

#[test]
fn a_status_that_is_no_file() {
    let bytes = content("a", 10);
    let habit = Habit::Status { status: 403, headers: "", times: usize::MAX };
    assert_eq!(refused(&bytes, habit), Reason::Status(403));
}

#[test]
fn redirects_in_circles() {
    let bytes = content("a", 10);
    let reason = refused(&bytes, Habit::Redirect("/pool/a.deb".into()));
    assert_eq!(reason, Reason::Interrupted("it redirects in circles".into()));
}

#[test]
fn a_source_without_the_file_is_passed_over_in_silence() {
    let (cache, bytes) = (cache(), content("a", 10));
    let without = Server::start(&[]);
    let with = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let store = store(&cache, &[&without, &with]);
    let fetched = store.fetch(&[item("a.deb", &bytes)]).unwrap();
    assert_eq!(fetched.refused, []);
    assert_eq!(without.requests().len(), 1);
}

#[test]
fn a_source_that_cannot_be_reached_is_asked_for_few_of_many_files() {
    let cache = cache();
    let contents: Vec<(String, Vec<u8>)> =
        (0..100).map(|i| (format!("{i}.deb"), content(&i.to_string(), 100))).collect();
    let files: Vec<(&str, &[u8], Habit)> = contents
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice(), Habit::Whole))
        .collect();
    let good = Server::start(&files);
    let options =
        options(&cache).mirror("debian", &Server::refusing_url()).mirror("debian", &good.url(""));
    let connections = options.connections;
    let store = Store::open(options).unwrap();
    let items: Vec<_> = contents.iter().map(|(name, bytes)| item(name, bytes)).collect();
    let fetched = store.fetch(&items).unwrap();
    assert_eq!(fetched.files, 100);
    assert!(fetched.refused.len() <= connections, "{}", fetched.refused.len());
}

#[test]
fn a_source_without_an_address_is_unreachable() {
    let (cache, bytes) = (cache(), content("a", 10));
    // RFC 6761: this name has no address anywhere.
    let options = options(&cache).mirror("debian", "http://mirror.invalid/debian");
    let error = Store::open(options).unwrap().fetch(&[item("a.deb", &bytes)]).unwrap_err();
    let Error::Unavailable { failures } = &error else { panic!("{error}") };
    let reason = &failures[0].refusals[0].reason;
    assert!(matches!(reason, Reason::Unreachable(_)), "{reason:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("network")));
}

#[test]
fn a_source_that_is_wrong_again_and_again_is_not_asked_for_the_rest() {
    let cache = cache();
    let contents: Vec<(String, Vec<u8>)> =
        (0..50).map(|i| (format!("{i}.deb"), content(&i.to_string(), 100))).collect();
    let page = b"<html>log in to use this network".to_vec();
    let all = |habit: Habit| {
        let files: Vec<(&str, &[u8], Habit)> = contents
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice(), habit.clone()))
            .collect();
        Server::start(&files)
    };
    let (portal, good) = (all(Habit::Instead(page)), all(Habit::Whole));
    let items: Vec<_> = contents.iter().map(|(name, bytes)| item(name, bytes)).collect();
    assert_eq!(store(&cache, &[&portal, &good]).fetch(&items).unwrap().files, 50);
    assert!(portal.requests().len() < 20, "{}", portal.requests().len());
}

#[test]
fn a_file_that_no_source_has_is_one_error_with_every_source_and_its_reason() {
    let (cache, bytes, fine) = (cache(), content("a", 10), content("b", 10));
    let altered = Habit::Instead(b"0123456789".to_vec());
    let first = Server::start(&[("a.deb", &bytes, altered), ("b.deb", &fine, Habit::Whole)]);
    let second = Server::start(&[]);
    let store = store(&cache, &[&first, &second]);
    let (missing, present) = (item("a.deb", &bytes), item("b.deb", &fine));
    let error = store.fetch(&[missing.clone(), present.clone()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "no source has `a.deb`:\n  {} sent other bytes ({})\n  {} does not have it",
            first.url(""),
            digest::Digest::of("0123456789"),
            second.url("")
        )
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("config.toml")));
    assert!(!store.contains(missing.digest), "nothing refused is kept");
    assert!(store.contains(present.digest), "what could be had is kept");
}

#[test]
fn a_lock_that_is_wrong_about_size_or_hash_gets_nothing() {
    let (cache, bytes) = (cache(), content("a", 10));
    let server = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let store = store(&cache, &[&server]);
    let right = item("a.deb", &bytes);
    for wrong in [
        store::Item { size: 9, ..right.clone() },
        store::Item { size: 11, ..right.clone() },
        store::Item { digest: digest::Digest::of("other"), ..right.clone() },
    ] {
        let error = store.fetch(std::slice::from_ref(&wrong)).unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(!store.contains(wrong.digest));
    }
    // Three faults are not held against a source in the next command.
    let store = crate::store(&cache, &[&server]);
    store.fetch(std::slice::from_ref(&right)).unwrap();
    // And a size that contradicts a file that is present is no way to remove it.
    assert!(store.fetch(&[store::Item { size: 9, ..right.clone() }]).is_err());
    assert!(store.contains(right.digest));
}

#[test]
fn hostile_paths_are_refused_before_anyone_is_asked() {
    let (cache, bytes) = (cache(), content("a", 10));
    let server = Server::start(&[]);
    let store = store(&cache, &[&server]);
    for path in ["/etc/passwd", "../../etc/passwd", "pool/../../x", "pool/a b\r\nX: y"] {
        let hostile = store::Item { path: path.into(), ..item("a.deb", &bytes) };
        assert!(matches!(store.fetch(&[hostile]), Err(Error::ArchivePath { .. })), "{path}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn what_nobody_has_leaves_nothing_behind() {
    let (cache, bytes) = (cache(), content("a", 10));
    let server = Server::start(&[("a.deb", &bytes, Habit::Instead(b"0123456789".to_vec()))]);
    let wanted = [item("a.deb", &bytes), item("b.deb", b"b")];
    assert!(store(&cache, &[&server]).fetch(&wanted).is_err());
    assert_eq!(std::fs::read_dir(cache.path().join("store/partial")).unwrap().count(), 0);
}

/// Bad habits of all sorts, for a file of 1000 bytes.
fn habit() -> impl Strategy<Value = Habit> {
    let times = || 1..3_usize;
    prop_oneof![
        Just(Habit::NoRanges),
        Just(Habit::LiesAboutRanges),
        Just(Habit::Endless),
        (0..1000_usize, times()).prop_map(|(after, times)| Habit::Breaks { after, times }),
        (0..1000_usize, times())
            .prop_map(|(after, times)| Habit::BreaksWithoutRanges { after, times }),
        proptest::collection::vec(0..2_u8, 990..1010).prop_map(Habit::Instead),
        (prop_oneof![Just(401_u16), Just(500), Just(416)], times())
            .prop_map(|(status, times)| Habit::Status { status, headers: "", times }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the sources before it do, one good source is enough, and the bytes are right;
    /// without it they are right or there are none.
    #[test]
    fn what_is_in_the_store_is_right(
        habits in proptest::collection::vec(habit(), 1..4),
        left in proptest::collection::vec(0..2_u8, 0..1002),
    ) {
        let bytes: Vec<u8> = (0..1000_usize).map(|i| (i / 7 % 2) as u8).collect();
        let wanted = item("a.deb", &bytes);
        let cache = cache();
        let bad: Vec<Server> = habits
            .iter()
            .map(|habit| Server::start(&[("a.deb", &bytes, habit.clone())]))
            .collect();
        let mut mirrors: Vec<&Server> = bad.iter().collect();
        let alone = store(&cache, &mirrors);
        let part = format!("store/partial/{}.part", wanted.digest.hex());
        std::fs::write(cache.path().join(part), left).unwrap();
        let result = alone.fetch(std::slice::from_ref(&wanted));
        prop_assert_eq!(held(&alone, &wanted).is_some(), result.is_ok());

        let good = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
        mirrors.push(&good);
        let store = store(&cache, &mirrors);
        store.fetch(std::slice::from_ref(&wanted)).unwrap();
        prop_assert_eq!(held(&store, &wanted), Some(bytes));
    }
}
