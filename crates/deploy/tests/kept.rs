//! What this workspace has sent is kept for deltas, whoever else deploys at the same time.

#![cfg(test)]

mod played;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use deploy::Kept;
use generation::Layout;
use image::Bundle;
use played::bundle;
use tempfile::TempDir;

fn numbered(directory: &TempDir, number: u32) -> Bundle {
    bundle(directory.path(), b"the same packages", format!("config {number}").as_bytes())
}

/// Everything in the index is there, and nothing else is.
fn is_whole(folder: &Path) -> usize {
    let layout = Layout::open(folder).unwrap();
    let mut needed = BTreeSet::new();
    let entries = layout.index().unwrap().manifests;
    for entry in &entries {
        let manifest = layout.manifest(entry.digest).unwrap();
        layout.verify(&manifest).unwrap();
        needed.insert(entry.digest);
        needed.extend(manifest.blobs().map(|blob| blob.digest));
    }
    let found: BTreeSet<_> =
        layout.blobs().unwrap().into_iter().map(|(digest, _)| digest).collect();
    assert_eq!(found, needed);
    entries.len()
}

#[test]
fn two_that_deploy_at_once_lose_nothing_of_one_another() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("deployed");
        let bundles: Vec<_> = (0..6).map(|number| numbered(&directory, number)).collect();
        let start = Barrier::new(bundles.len());
        thread::scope(|scope| {
            for bundle in &bundles {
                scope.spawn(|| {
                    start.wait();
                    // Each as a process would: with a view of its own.
                    Kept::open(&folder).unwrap().add(bundle).unwrap();
                });
            }
        });
        assert_eq!(is_whole(&folder), 6);
    }
}

#[test]
fn what_was_removed_from_it_hinders_no_later_one() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("deployed");
    let kept = Kept::open(&folder).unwrap();
    let [one, two, three] = [1, 2, 3].map(|number| numbered(&directory, number));
    kept.add(&one).unwrap();
    kept.add(&two).unwrap();
    for bundle in [&one, &two] {
        let layout = Layout::open(&folder).unwrap();
        std::fs::remove_file(layout.blob(bundle.manifest().digest())).unwrap();
    }
    kept.add(&two).unwrap();
    assert_eq!(is_whole(&folder), 1);
    kept.add(&three).unwrap();
    assert_eq!(is_whole(&folder), 2);
}
