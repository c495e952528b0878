//! The store against servers of every bad habit, all on loopback.
// Tells clippy that unwrapping is fine in all of this.
#![cfg(test)]

mod at_once;
mod indexes;
mod refusing;
mod resuming;
mod server;
mod sources;
mod through_proxies;
mod tls;
mod vaults;

use digest::Digest;
use jiff::civil::date;
use std::time::Duration;
use store::{Item, Options, Store};

/// A cache folder of its own, gone afterwards.
pub(crate) fn cache() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Bytes that differ from one name to the next and from one place in them to the next.
pub(crate) fn content(name: &str, size: usize) -> Vec<u8> {
    let seed = Digest::of(name);
    (0..size).map(|i| seed.bytes()[i % 32].wrapping_add((i / 32) as u8)).collect()
}

/// A Debian package of these bytes.
pub(crate) fn item(name: &str, bytes: &[u8]) -> Item {
    Item {
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        name: name.to_owned(),
        archive: "debian".to_owned(),
        path: format!("pool/{name}"),
        date: date(2026, 11, 1),
    }
}

/// A store that knows no sources and does not wait between tries.
pub(crate) fn options(cache: &tempfile::TempDir) -> Options {
    let mut options = Options::bare(cache.path());
    options.pause = Duration::ZERO;
    options
}

/// A store with these mirrors of `debian`.
pub(crate) fn store(cache: &tempfile::TempDir, mirrors: &[&server::Server]) -> Store {
    let options = mirrors
        .iter()
        .fold(options(cache), |options, mirror| options.mirror("debian", &mirror.url("")));
    Store::open(options).unwrap()
}

/// What the store holds for `item`.
pub(crate) fn held(store: &Store, item: &Item) -> Option<Vec<u8>> {
    std::fs::read(store.path(item.digest)).ok()
}
