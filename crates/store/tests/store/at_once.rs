//! Several downloads, threads and commands at a time.

use crate::resuming::{child, numbered};
use crate::server::{Habit, Server};
use crate::{cache, held, item, store};

fn serve(count: usize, size: usize) -> (Vec<store::Item>, Server) {
    let contents: Vec<(String, Vec<u8>)> =
        (0..count).map(|i| (format!("{i}.deb"), numbered(i, size))).collect();
    let files: Vec<(&str, &[u8], Habit)> = contents
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice(), Habit::Whole))
        .collect();
    let items = contents.iter().map(|(name, bytes)| item(name, bytes)).collect();
    (items, Server::start(&files))
}

#[test]
fn many_files_come_over_few_connections_that_stay_open() {
    let (cache, (items, server)) = (cache(), serve(120, 3000));
    let store = store(&cache, &[&server]);
    let fetched = store.fetch(&items).unwrap();
    assert_eq!((fetched.files, fetched.bytes), (120, 360_000));
    assert!(items.iter().all(|item| held(&store, item).is_some()));
    assert_eq!(server.requests().len(), 120);
    assert!(server.connections() <= 8, "{}", server.connections());
}

#[test]
fn a_file_that_is_asked_for_twice_is_fetched_once() {
    let (cache, (items, server)) = (cache(), serve(1, 3000));
    let twice = [items[0].clone(), items[0].clone()];
    assert_eq!(store(&cache, &[&server]).fetch(&twice).unwrap().files, 1);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn threads_with_stores_of_their_own_divide_the_work() {
    let (cache, (items, server)) = (cache(), serve(60, 3000));
    let fetched: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| store(&cache, &[&server]).fetch(&items).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                let fetched = thread.join().unwrap();
                assert_eq!(fetched.files + fetched.reused, 60);
                fetched.files
            })
            .sum()
    });
    assert_eq!(fetched, 60);
    assert_eq!(server.requests().len(), 60, "no file came twice");
}

#[test]
fn processes_divide_the_work() {
    let (cache, (items, server)) = (cache(), serve(60, 3000));
    let children: Vec<_> =
        (0..3).map(|_| child(&cache, &server, 60, 3000).spawn().unwrap()).collect();
    let mut fetched = 0;
    for process in children {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = said.lines().find_map(|line| line.strip_prefix("child: fetched "));
        fetched += count.unwrap_or_else(|| panic!("{said}")).parse::<usize>().unwrap();
    }
    assert_eq!(fetched, 60);
    assert_eq!(server.requests().len(), 60, "no file came twice");
    let store = store(&cache, &[]);
    assert_eq!(store.fetch(&items).unwrap().reused, 60);
    let left = std::fs::read_dir(cache.path().join("store/partial")).unwrap().count();
    assert_eq!(left, 0, "no part is left behind");
}

#[test]
fn what_is_put_is_there_under_its_hash() {
    let cache = cache();
    let store = store(&cache, &[]);
    let digest = store.put(&b"abc"[..]).unwrap();
    assert_eq!(digest, digest::Digest::of("abc"));
    assert_eq!(std::fs::read(store.path(digest)).unwrap(), b"abc");
    assert_eq!(store.put(&b"abc"[..]).unwrap(), digest, "twice is as good as once");
    assert!(store.contains(digest));
}
