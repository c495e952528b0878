//! Downloads that were broken off go on where they stopped.

use crate::server::{Habit, Server};
use crate::{cache, content, held, item, options, store};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use store::{Item, Store};

/// What a command that was killed has left.
fn leave(cache: &tempfile::TempDir, item: &Item, bytes: &[u8]) -> PathBuf {
    let folder = cache.path().join("store/partial");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{}.part", item.digest.hex()));
    std::fs::write(&path, bytes).unwrap();
    path
}

fn ranges(list: &[Option<&str>]) -> Vec<Option<String>> {
    list.iter().map(|range| range.map(str::to_owned)).collect()
}

#[test]
fn a_broken_connection_is_resumed_at_the_same_source() {
    let (cache, bytes) = (cache(), content("a", 100_000));
    let server = Server::start(&[("a.deb", &bytes, Habit::Breaks { after: 40_000, times: 2 })]);
    let (store, wanted) = (store(&cache, &[&server]), item("a.deb", &bytes));
    let fetched = store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(fetched.refused, []);
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(server.ranges(), ranges(&[None, Some("bytes=40000-"), Some("bytes=80000-")]));
}

#[test]
fn a_source_that_gives_up_is_resumed_by_the_next() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let bad = Server::start(&[("a.deb", &bytes, Habit::Breaks { after: 100, times: usize::MAX })]);
    let good = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let (store, wanted) = (store(&cache, &[&bad, &good]), item("a.deb", &bytes));
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(good.ranges(), ranges(&[Some("bytes=400-")]));
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let habit = Habit::BreaksWithoutRanges { after: 600, times: 1 };
    let server = Server::start(&[("a.deb", &bytes, habit)]);
    let (store, wanted) = (store(&cache, &[&server]), item("a.deb", &bytes));
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(server.ranges(), ranges(&[None, Some("bytes=600-")]));
}

#[test]
fn a_server_that_calls_the_start_of_a_file_its_end_is_asked_for_all_of_it() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let server = Server::start(&[("a.deb", &bytes, Habit::LiesAboutRanges)]);
    let (store, wanted) = (store(&cache, &[&server]), item("a.deb", &bytes));
    leave(&cache, &wanted, &bytes[..300]);
    assert_eq!(store.fetch(std::slice::from_ref(&wanted)).unwrap().refused, []);
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(server.ranges(), ranges(&[Some("bytes=300-"), None]));
}

#[test]
fn what_an_earlier_command_left_is_used() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let server = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let (store, wanted) = (store(&cache, &[&server]), item("a.deb", &bytes));
    let part = leave(&cache, &wanted, &bytes[..999]);
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(server.ranges(), ranges(&[Some("bytes=999-")]));
    assert!(!part.exists());
}

#[test]
fn a_whole_file_that_an_earlier_command_left_needs_no_source() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let server = Server::start(&[]);
    let (store, wanted) = (store(&cache, &[&server]), item("a.deb", &bytes));
    leave(&cache, &wanted, &bytes);
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn wrong_bytes_of_an_earlier_command_are_dropped_and_no_source_is_blamed() {
    let bytes = content("a", 1000);
    let wrong = vec![b'x'; 1001];
    for (left, habit) in
        [(500, Habit::Whole), (500, Habit::NoRanges), (1000, Habit::Whole), (1001, Habit::Whole)]
    {
        let cache = cache();
        let server = Server::start(&[("a.deb", &bytes, habit.clone())]);
        let (store, wanted) = (store(&cache, &[&server]), item("a.deb", &bytes));
        leave(&cache, &wanted, &wrong[..left]);
        let fetched = store.fetch(std::slice::from_ref(&wanted)).unwrap();
        assert_eq!(fetched.refused, [], "{left} {habit:?}");
        assert_eq!(held(&store, &wanted).as_ref(), Some(&bytes), "{left} {habit:?}");
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let habit = Habit::Status { status: 503, headers: "Retry-After: 0\r\n", times: 2 };
    let server = Server::start(&[("a.deb", &bytes, habit)]);
    let (store, wanted) = (store(&cache, &[&server]), item("a.deb", &bytes));
    assert_eq!(store.fetch(&[wanted]).unwrap().refused, []);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_damaged_file_in_the_store_is_fetched_anew() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let server = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let (store, wanted) = (store(&cache, &[&server]), item("a.deb", &bytes));
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    for damage in [&bytes[..999], &[0; 1000], b""] {
        std::fs::remove_file(store.path(wanted.digest)).unwrap();
        std::fs::write(store.path(wanted.digest), damage).unwrap();
        assert_eq!(store.fetch(std::slice::from_ref(&wanted)).unwrap().files, 1);
        assert_eq!(held(&store, &wanted).as_ref(), Some(&bytes));
    }
}

/// Not a test of its own: what the tests below run in another process, told by the environment.
#[test]
fn child_process() {
    let Ok(cache) = std::env::var("STORE_TEST_CACHE") else { return };
    let mirror = std::env::var("STORE_TEST_MIRROR").unwrap();
    let count: usize = std::env::var("STORE_TEST_COUNT").unwrap().parse().unwrap();
    let size: usize = std::env::var("STORE_TEST_SIZE").unwrap().parse().unwrap();
    let mut options = store::Options::bare(cache).mirror("debian", &mirror);
    options.patience = Duration::from_secs(60);
    let items: Vec<_> = (0..count).map(|i| item(&format!("{i}.deb"), &numbered(i, size))).collect();
    let result = Store::open(options).and_then(|store| store.fetch(&items));
    let text = match &result {
        Ok(fetched) => format!("fetched {}", fetched.files),
        Err(error) => format!("{error}; {:?}", std::error::Error::source(error)),
    };
    std::io::stdout().write_all(format!("\nchild: {text}\n").as_bytes()).unwrap();
}

/// The content of the numbered files that child processes fetch.
pub(crate) fn numbered(number: usize, size: usize) -> Vec<u8> {
    content(&number.to_string(), size)
}

/// Runs [`child_process`] for `count` files of `size` bytes.
pub(crate) fn child(
    cache: &tempfile::TempDir,
    mirror: &Server,
    count: usize,
    size: usize,
) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command
        .arg("-c")
        .arg("ulimit -f ${STORE_TEST_LIMIT:-unlimited}; trap '' XFSZ; exec \"$@\"")
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "resuming::child_process", "--nocapture"])
        .env("STORE_TEST_CACHE", cache.path())
        .env("STORE_TEST_MIRROR", mirror.url(""))
        .env("STORE_TEST_COUNT", count.to_string())
        .env("STORE_TEST_SIZE", size.to_string())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command
}

#[test]
fn a_killed_command_leaves_nothing_trusted_and_the_next_carries_on() {
    let (cache, bytes) = (cache(), numbered(0, 100_000));
    let wanted = item("0.deb", &bytes);
    let stalling = Server::start(&[("0.deb", &bytes, Habit::Stalls { after: 60_000 })]);
    let mut process = child(&cache, &stalling, 1, 100_000).spawn().unwrap();
    stalling.wait_for_stall();
    let part = cache.path().join(format!("store/partial/{}.part", wanted.digest.hex()));
    while std::fs::metadata(&part).map_or(0, |metadata| metadata.len()) < 60_000 {
        std::thread::sleep(Duration::from_millis(5));
    }
    process.kill().unwrap();
    process.wait().unwrap();

    let server = Server::start(&[("0.deb", &bytes, Habit::Whole)]);
    let store = store(&cache, &[&server]);
    assert!(!store.contains(wanted.digest));
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(server.ranges(), ranges(&[Some("bytes=60000-")]));
}

#[test]
fn a_disk_that_takes_no_more_is_an_error_and_with_room_the_next_run_carries_on() {
    let (cache, bytes) = (cache(), numbered(0, 100_000));
    let wanted = item("0.deb", &bytes);
    let server = Server::start(&[("0.deb", &bytes, Habit::Whole)]);
    // Files may have 64 (or, by other shells, 128) blocks of 512 or 1024 bytes.
    let output = child(&cache, &server, 1, 100_000).env("STORE_TEST_LIMIT", "64").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("child: could not write"), "{said}");
    assert!(said.contains("FileTooLarge"), "{said}");

    let store = store(&cache, &[&server]);
    assert!(!store.contains(wanted.digest));
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert!(server.ranges()[1].is_some(), "the bytes that had room were used");
}

#[test]
fn offline_lists_what_is_missing_and_asks_nobody() {
    let (cache, bytes, fine) = (cache(), content("a", 10), content("b", 10));
    let server = Server::start(&[("a.deb", &bytes, Habit::Whole), ("b.deb", &fine, Habit::Whole)]);
    let (missing, present) = (item("a.deb", &bytes), item("b.deb", &fine));
    store(&cache, &[&server]).fetch(std::slice::from_ref(&present)).unwrap();

    let options = options(&cache).mirror("debian", &server.url("")).dated_archives().offline(true);
    let store = Store::open(options).unwrap();
    assert_eq!(store.fetch(std::slice::from_ref(&present)).unwrap().reused, 1);
    let error = store.fetch(&[missing, present]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 file is not in the store, and `--offline` was given:\n  a.deb"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("--offline")));
    assert_eq!(server.requests().len(), 1);
}
