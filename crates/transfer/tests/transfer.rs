//! Both ends over a pair of sockets, on a layout in a temporary directory.

#![cfg(test)]

mod fake;

use std::collections::BTreeMap;

use digest::Digest;
use fake::{FakeHost, Server, generation, noise};
use generation::{Descriptor, Layout};
use proptest::prelude::*;
use transfer::{Error, Incoming, Refusal};

#[test]
fn a_generation_arrives_whole_and_a_second_time_nothing_is_sent() {
    let server = Server::new();
    let new = generation(1, &noise(1, 3_000_000));
    let (staged, sent) = server.deploy(&new, None).unwrap();
    assert_eq!((staged.number, staged.already), (1, false));
    assert!(sent > 3_000_000, "{sent}");
    server.layout().verify(&new.manifest).unwrap();
    assert_eq!(server.layout().manifest(staged.generation).unwrap(), new.manifest);

    let (staged, sent) = server.deploy(&new, None).unwrap();
    assert_eq!((staged.number, staged.already, sent), (1, true, 0));
}

#[test]
fn a_small_change_of_a_long_layer_is_a_small_transfer() {
    let server = Server::new();
    let old_layer = noise(1, 50_000_000);
    let old = generation(1, &old_layer);
    server.deploy(&old, None).unwrap();

    // Bytes come and go: what follows them is found where it was.
    let mut layer = old_layer;
    layer.splice(10_000_000..10_001_000, noise(7, 4000));
    layer.splice(30_000_000..30_900_000, []);
    let new = generation(2, &layer);
    let (staged, sent) = server.deploy(&new, Some(&old)).unwrap();
    assert_eq!(staged.number, 2);
    assert!(sent < 200_000, "{sent}");
    server.layout().verify(&new.manifest).unwrap();
}

#[test]
fn a_transfer_that_was_cut_off_goes_on_from_there() {
    let server = Server::new();
    let new = generation(1, &noise(1, 20_000_000));
    let error = server.deploy_until(&new, None, 12_000_000).unwrap_err();
    assert!(error.is_interruption(), "{error}");
    let have = Incoming::have(&server.layout(), new.layer());
    assert_eq!(have, 8 << 20);
    assert!(!server.layout().contains(new.layer()), "nothing half is a blob");

    let (_, sent) = server.deploy(&new, None).unwrap();
    assert!(sent < 20_100_000 - have, "{sent}");
    server.layout().verify(&new.manifest).unwrap();
    let left = std::fs::read_dir(server.layout().root().join("incoming")).unwrap().count();
    assert_eq!(left, 0, "what arrived is no longer incoming");
}

#[test]
fn a_dry_run_changes_nothing() {
    let server = Server::new();
    let new = generation(1, &noise(1, 100_000));
    let needs = server.dry_run(&new);
    assert_eq!(needs.blobs.len(), new.manifest.blobs().count());
    assert_eq!(std::fs::read_dir(server.layout().root().join("blobs/sha256")).unwrap().count(), 0);
    assert_eq!(server.calls(), ["identity", "bases", "fits"]);
    // Where there is no room it says the same as the transfer would.
    let full = Refusal::new("12 MB are free, 30 MB are needed").help("heirloom gc");
    let server = Server::with(FakeHost { no_room: Some(full.clone()), ..FakeHost::default() });
    let Err(Error::Refused(refusal)) = server.try_dry_run(&new) else { panic!("not refused") };
    assert_eq!(refusal, full);
    assert_eq!(server.calls(), ["identity", "bases", "fits"]);
}

#[test]
fn a_server_says_no_before_anything_is_written() {
    let full = || Refusal::new("12 MB are free, 30 MB are needed").help("heirloom gc");
    let server = Server::with(FakeHost { no_room: Some(full()), ..FakeHost::default() });
    let new = generation(1, &noise(1, 100_000));
    let Err(Error::Refused(refusal)) = server.deploy(&new, None) else { panic!("not refused") };
    assert_eq!(refusal, full());
    assert!(!server.layout().root().join("incoming").exists());

    let other = || Refusal::new("this is `git`, not `mail`");
    let server = Server::with(FakeHost { not_ours: Some(other()), ..FakeHost::default() });
    let Err(Error::Refused(refusal)) = server.deploy(&new, None) else { panic!("not refused") };
    assert_eq!(refusal, other());
    assert!(!server.layout().contains(new.layer()), "only the config came");
}

#[test]
fn a_base_with_other_bytes_than_here_is_noticed_and_named() {
    let server = Server::new();
    let old_layer = noise(1, 1_000_000);
    let old = generation(1, &old_layer);
    server.deploy(&old, None).unwrap();
    let path = server.layout().blob(old.layer().digest);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[500_000] ^= 1;
    std::fs::write(&path, damaged).unwrap();

    let mut layer = old_layer;
    layer[0] ^= 1;
    let new = generation(2, &layer);
    let Err(Error::Refused(refusal)) = server.deploy(&new, Some(&old)) else { panic!("accepted") };
    assert!(refusal.mismatch, "{refusal:?}");
    assert_eq!(Incoming::have(&server.layout(), new.layer()), 0);
    // Without deltas it goes.
    server.deploy(&new, None).unwrap();
}

#[test]
fn what_was_received_of_unwanted_blobs_can_be_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(dir.path()).unwrap();
    assert_eq!(transfer::incoming::forget(&layout, &[]).unwrap(), 0);
    let blobs = [Descriptor::of("a", &[1; 50]), Descriptor::of("a", &[2; 50])];
    for blob in &blobs {
        Incoming::open(&layout, blob, 0).unwrap().append(&[1; 20]).unwrap();
    }
    assert_eq!(transfer::incoming::forget(&layout, &[blobs[0].digest]).unwrap(), 20);
    assert_eq!(blobs.each_ref().map(|blob| Incoming::have(&layout, blob)), [20, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_base_target_and_interruptions_the_bytes_arrive(
        base in base(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..5000, 0usize..5000), 0..6),
        cuts in prop::collection::vec(0u64..400_000, 0..4),
    ) {
        let server = Server::new();
        let old = generation(1, &base);
        server.deploy(&old, None).unwrap();
        let mut target = base.clone();
        for (at, remove, add) in edits {
            let at = at.index(target.len() + 1);
            let end = (at + remove).min(target.len());
            target.splice(at..end, noise(add as u64, add));
        }
        target.push(1);
        let new = generation(2, &target);
        for cut in cuts {
            // An interruption behind the last byte is none.
            let _ = server.deploy_until(&new, Some(&old), cut);
        }
        server.deploy(&new, Some(&old)).unwrap();
        server.layout().verify(&new.manifest).unwrap();
    }

    #[test]
    fn an_altered_stream_publishes_nothing_that_is_not_what_it_is_called(
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
        base in base(),
    ) {
        let server = Server::new();
        let old = generation(1, &base);
        server.deploy(&old, None).unwrap();
        let mut target = base;
        target.push(1);
        let new = generation(2, &target);
        // Whatever it does to the transfer, the store stays whole.
        let _ = server.deploy_altered(&new, Some(&old), at, bit);
        let blobs = server.layout().root().join("blobs/sha256");
        for entry in std::fs::read_dir(blobs).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            prop_assert_eq!(Digest::of(bytes).hex(), name);
        }
    }

    #[test]
    fn no_bytes_make_a_server_panic_or_write(garbage in prop::collection::vec(any::<u8>(), 0..300)) {
        let server = Server::new();
        let mut host = server.host();
        let hello = b"{\"hello\":{\"protocol\":1}}\n".to_vec();
        for input in [garbage.clone(), [hello, garbage].concat()] {
            let served = transfer::serve(&input[..], std::io::sink(), &mut host);
            prop_assert!(!matches!(served, Ok(Some(_))));
        }
        prop_assert!(!server.layout().root().join("incoming").exists());
    }
}

fn base() -> impl Strategy<Value = Vec<u8>> {
    (any::<u64>(), 1usize..300_000).prop_map(|(seed, length)| noise(seed, length))
}

#[test]
fn annotations_come_as_they_were_given() {
    let server = Server::new();
    let new = generation(1, &noise(1, 5000));
    let note = BTreeMap::from([("dev.heirloom.commit".to_owned(), "0123".to_owned())]);
    server.deploy_annotated(&new, note.clone()).unwrap();
    assert_eq!(server.annotations(), note);
}
