//! The order of sources, and the places in each.

use crate::server::{Habit, Server};
use crate::{cache, content, held, item, options, store};
use store::{Item, Store};

#[test]
fn redirects_are_followed_with_the_range_that_was_asked_for() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let there = Server::start(&[("/elsewhere/a", &bytes, Habit::Breaks { after: 10, times: 1 })]);
    let here = Server::start(&[("a.deb", &bytes, Habit::Redirect(there.url("/elsewhere/a")))]);
    let (store, wanted) = (store(&cache, &[&here]), item("a.deb", &bytes));
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(there.ranges(), [None, Some("bytes=10-".to_owned())]);
}

#[test]
fn an_index_is_taken_by_its_hash_where_the_plain_path_has_moved_on() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let path = "dists/bookworm/main/binary-amd64/Packages.xz";
    let wanted = Item { path: path.into(), ..item("Packages.xz", &bytes) };
    let hex = wanted.digest.hex();
    let by_hash = format!("/dists/bookworm/main/binary-amd64/by-hash/SHA256/{hex}");
    let newer = Habit::Instead(content("newer", 1000));
    let plain = format!("/{path}");
    let mirror =
        Server::start(&[(&by_hash, &bytes, Habit::Whole), (&plain, &bytes, newer.clone())]);
    let store = store(&cache, &[&mirror]);
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(mirror.lines(), [format!("GET {by_hash} HTTP/1.1")]);

    // A mirror that has only the newer one is passed over without blame, for the dated archive.
    let cache = crate::cache();
    let mirror = Server::start(&[(&plain, &bytes, newer)]);
    let at = format!("/debian/20261101T235959Z/{path}");
    let dated = Server::start(&[(&at, &bytes, Habit::Whole)]);
    let mut options = options(&cache).mirror("debian", &mirror.url(""));
    options.dated.debian = vec![dated.url("")];
    let fetched = Store::open(options).unwrap().fetch(&[wanted]).unwrap();
    assert_eq!(mirror.requests().len(), 2);
    assert_eq!(dated.lines(), [format!("GET {at} HTTP/1.1")]);
    assert!(fetched.refused.is_empty(), "{:?}", fetched.refused);
}

#[test]
fn a_pinned_package_of_arch_is_found_under_its_name() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let single = "/packages/z/zlib/zlib-1:1.3-2-x86_64.pkg.tar.zst";
    let dated = Server::start(&[(single, &bytes, Habit::Whole)]);
    let wanted = Item {
        archive: "archlinux".into(),
        path: "core/os/x86_64/zlib-1:1.3-2-x86_64.pkg.tar.zst".into(),
        ..item("zlib", &bytes)
    };
    let mut options = options(&cache);
    options.dated.archlinux = vec![dated.url("")];
    let store = Store::open(options).unwrap();
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(dated.lines()[0], format!("GET /repos/2026/11/01/{} HTTP/1.1", wanted.path));
}

#[test]
fn a_mirror_in_a_folder_is_read_even_offline() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pool")).unwrap();
    std::fs::write(folder.path().join("pool/a.deb"), &bytes).unwrap();
    let url = format!("file://{}", folder.path().display());
    let store = Store::open(options(&cache).mirror("debian", &url).offline(true)).unwrap();
    let wanted = item("a.deb", &bytes);
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
}

#[test]
fn credentials_of_a_mirror_are_sent_and_shown_to_nobody() {
    let (cache, bytes) = (cache(), content("a", 10));
    let other = Server::start(&[("a.deb", &bytes, Habit::Instead(b"x".to_vec()))]);
    let server = Server::start(&[("a.deb", &bytes, Habit::Redirect(other.url("/pool/a.deb")))]);
    let url = format!("http://user:p%40ss@127.0.0.1:{}", server.port());
    let store = Store::open(options(&cache).mirror("debian", &url)).unwrap();
    let error = store.fetch(&[item("a.deb", &bytes)]).unwrap_err();
    assert!(!error.to_string().contains("p%40ss"), "{error}");
    // user:p@ss
    let sent = server.requests()[0].headers.get("authorization").cloned();
    assert_eq!(sent.as_deref(), Some("Basic dXNlcjpwQHNz"));
    assert_eq!(other.requests()[0].headers.get("authorization"), None, "not to another server");
}
