//! Vaults: made from the store, asked before everything else, believed no more than others.

use crate::server::{Habit, Server};
use crate::{cache, content, held, item, options, store};
use std::path::{Path, PathBuf};
use store::{Error, Item, Reason, Store, vault};

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn in_vault(vault: &Path, item: &Item) -> PathBuf {
    let hex = item.digest.hex();
    vault.join("sha256").join(&hex[..2]).join(hex)
}

/// A vault of two files, and the files.
fn made() -> (tempfile::TempDir, [Item; 2], [Vec<u8>; 2]) {
    let (cache, vault) = (cache(), tempfile::tempdir().unwrap());
    let bytes = [content("a", 1000), content("b", 2000)];
    let other = content("c", 10);
    let server = Server::start(&[
        ("a.deb", &bytes[0], Habit::Whole),
        ("b.deb", &bytes[1], Habit::Whole),
        ("c.deb", &other, Habit::Whole),
    ]);
    let items = [item("a.deb", &bytes[0]), item("b.deb", &bytes[1])];
    let store = store(&cache, &[&server]);
    store.fetch(&[item("c.deb", &other)]).unwrap();
    let made = vault::make(&store, &items, vault.path()).unwrap();
    assert_eq!(made, vault::Made { copied: 2, kept: 0, bytes: 3000 });
    (vault, items, bytes)
}

#[test]
fn a_vault_holds_exactly_what_was_asked_for_and_a_list_of_it() {
    let (vault, items, bytes) = made();
    let mut expected = vec![
        vault.path().join("SHA256SUMS"),
        in_vault(vault.path(), &items[0]),
        in_vault(vault.path(), &items[1]),
    ];
    expected.sort();
    assert_eq!(files_below(vault.path()), expected);
    assert_eq!(std::fs::read(in_vault(vault.path(), &items[1])).unwrap(), bytes[1]);
    let [a, b] = items.map(|item| item.digest.hex());
    let sums = std::fs::read_to_string(vault.path().join("SHA256SUMS")).unwrap();
    assert_eq!(
        sums,
        format!("# a.deb\n{a}  sha256/{}/{a}\n# b.deb\n{b}  sha256/{}/{b}\n", &a[..2], &b[..2])
    );
}

#[test]
fn a_vault_gives_its_files_offline_and_before_any_mirror() {
    let (vault, items, bytes) = made();
    let cache = cache();
    let store = Store::open(options(&cache).vault(vault.path()).offline(true)).unwrap();
    assert_eq!(store.fetch(&items).unwrap().files, 2);
    assert_eq!(held(&store, &items[0]).as_ref(), Some(&bytes[0]));

    let cache = crate::cache();
    let mirror = Server::start(&[("a.deb", &bytes[0], Habit::Whole)]);
    let options = options(&cache).vault(vault.path()).mirror("debian", &mirror.url(""));
    Store::open(options).unwrap().fetch(&items).unwrap();
    assert_eq!(mirror.requests().len(), 0);
}

#[test]
fn a_damaged_file_of_a_vault_is_refused_and_the_next_source_asked() {
    let (vault, items, bytes) = made();
    let (second, _, _) = made();
    let mirror = Server::start(&[("b.deb", &bytes[1], Habit::Whole)]);
    std::fs::write(in_vault(vault.path(), &items[0]), vec![0; 1000]).unwrap();
    std::fs::write(in_vault(vault.path(), &items[1]), &bytes[1][..1999]).unwrap();
    std::fs::remove_file(in_vault(second.path(), &items[1])).unwrap();
    let cache = cache();
    let options =
        options(&cache).vault(vault.path()).vault(second.path()).mirror("debian", &mirror.url(""));
    let store = Store::open(options).unwrap();
    let mut refused = store.fetch(&items).unwrap().refused;
    refused.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(held(&store, &items[0]).as_ref(), Some(&bytes[0]));
    assert_eq!(held(&store, &items[1]).as_ref(), Some(&bytes[1]));
    assert!(refused.iter().all(|(_, r)| r.source == vault.path().display().to_string()));
    let reasons: Vec<&Reason> = refused.iter().map(|(_, refusal)| &refusal.reason).collect();
    assert!(matches!(reasons[0], Reason::Altered { .. }), "{reasons:?}");
    assert_eq!(reasons[1], &Reason::Truncated { found: 1999, expected: 2000 });
}

#[test]
fn what_a_vault_lacks_is_listed_offline() {
    let (vault, items, _) = made();
    std::fs::remove_file(in_vault(vault.path(), &items[0])).unwrap();
    let cache = cache();
    let store = Store::open(options(&cache).vault(vault.path()).offline(true)).unwrap();
    let error = store.fetch(&items).unwrap_err();
    assert!(matches!(&error, Error::Offline { missing } if missing.len() == 1), "{error}");
    assert!(error.to_string().contains("a.deb"), "{error}");
}

#[test]
fn a_vault_made_again_keeps_what_is_whole_and_mends_what_is_not() {
    let (vault, items, bytes) = made();
    std::fs::write(in_vault(vault.path(), &items[0]), b"damaged").unwrap();
    let (cache, more) = (cache(), content("d", 30));
    let server =
        Server::start(&[("a.deb", &bytes[0], Habit::Whole), ("d.deb", &more, Habit::Whole)]);
    let again = [items[0].clone(), item("d.deb", &more)];
    let store = store(&cache, &[&server]);
    let made = vault::make(&store, &again, vault.path()).unwrap();
    assert_eq!((made.copied, made.kept), (2, 0));
    assert_eq!(std::fs::read(in_vault(vault.path(), &items[0])).unwrap(), bytes[0]);
    assert_eq!(vault::make(&store, &again, vault.path()).unwrap().kept, 2);
    let sums = std::fs::read_to_string(vault.path().join("SHA256SUMS")).unwrap();
    let names: Vec<&str> = sums.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(names, ["# a.deb", "# b.deb", "# d.deb"], "one vault can serve several locks");
}

#[test]
fn names_cannot_write_lines_into_the_list() {
    let (cache, vault, bytes) = (cache(), tempfile::tempdir().unwrap(), content("a", 10));
    let server = Server::start(&[("a.deb", &bytes, Habit::Whole)]);
    let hostile = Item { name: "x\n0000  /etc/passwd".into(), ..item("a.deb", &bytes) };
    vault::make(&store(&cache, &[&server]), &[hostile], vault.path()).unwrap();
    let sums = std::fs::read_to_string(vault.path().join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 2, "{sums}");
}
