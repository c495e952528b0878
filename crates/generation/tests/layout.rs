//! The layout on a disk: complete blobs only, checked, with the modes that images need.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use digest::Digest;
use generation::{
    Config, Descriptor, Error, Index, LayerFormat, Layout, Manifest, Verity, layout, manifest,
};

fn generation() -> (Manifest, Config, Vec<Vec<u8>>) {
    let config = Config {
        server: "s".into(),
        hostname: "h".into(),
        board: "pc".into(),
        distribution: "debian".into(),
        architecture: "amd64".into(),
        cmdline: String::new(),
        lock: Digest::of("lock"),
        epoch: 0,
        health_within: 1,
        state: Vec::new(),
    };
    let verity = Verity { root: Digest::of("root"), salt: Verity::zero_salt(), data_blocks: 2 };
    let blobs = vec![b"kernel".to_vec(), b"initramfs".to_vec(), vec![7; 3 * 4096]];
    let layer = Descriptor::filesystem(LayerFormat::Erofs, Digest::of(&blobs[2]), &verity);
    let manifest = Manifest::new(
        config.descriptor(),
        Descriptor::of(manifest::MEDIA_TYPE_KERNEL, &blobs[0]),
        Descriptor::of(manifest::MEDIA_TYPE_INITRAMFS, &blobs[1]),
        vec![layer],
    )
    .unwrap();
    (manifest, config, blobs)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_generation_goes_in_and_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let (manifest, config, blobs) = generation();
    let layout = Layout::create(dir.path().join("imgs")).unwrap();
    layout.insert_documents(&manifest, &config).unwrap();
    for (descriptor, bytes) in manifest.layers.iter().zip(&blobs) {
        layout.insert(&bytes[..], descriptor).unwrap();
    }
    let note = BTreeMap::from([("dev.heirloom.build.commit".to_owned(), "0123".to_owned())]);
    let index = Index::new(vec![layout::Entry::new(&manifest, note)]);
    layout.set_index(&index).unwrap();

    let layout = Layout::open(dir.path().join("imgs")).unwrap();
    assert_eq!(layout.index().unwrap(), index);
    let read = layout.manifest(index.manifests[0].digest).unwrap();
    assert_eq!(read, manifest);
    assert_eq!(layout.config(&read).unwrap(), config);
    layout.verify(&read).unwrap();
    // Making it again keeps what is there.
    assert_eq!(Layout::create(dir.path().join("imgs")).unwrap().index().unwrap(), index);
}

#[test]
fn modes_do_not_depend_on_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::write(&source, "kernel").unwrap();
    fs::set_permissions(&source, Permissions::from_mode(0o600)).unwrap();
    let layout = Layout::create(dir.path().join("imgs")).unwrap();
    let blob = Descriptor::of(manifest::MEDIA_TYPE_KERNEL, b"kernel");
    layout.link(&source, &blob).unwrap();
    layout.link(&source, &blob).unwrap();
    assert_eq!(mode(&layout.blob(blob.digest)), 0o644);
    assert_eq!(mode(&layout.root().join("index.json")), 0o644);
    assert_eq!(mode(&layout.root().join("blobs/sha256")), 0o755);
    assert_eq!(
        fs::metadata(&source).unwrap().ino(),
        fs::metadata(layout.blob(blob.digest)).unwrap().ino()
    );
}

#[test]
fn wrong_blobs_never_get_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(dir.path().join("imgs")).unwrap();
    let blob = Descriptor::of(manifest::MEDIA_TYPE_KERNEL, b"kernel");
    let altered = layout.insert(&b"Kernel"[..], &blob);
    assert!(matches!(altered, Err(Error::WrongBlob { .. })), "{altered:?}");
    let truncated = layout.insert(&b"kerne"[..], &blob);
    assert!(matches!(truncated, Err(Error::WrongSize { found: 5, .. })), "{truncated:?}");
    let endless = layout.insert(std::io::repeat(7), &blob);
    assert!(matches!(endless, Err(Error::WrongSize { .. })), "{endless:?}");
    let source = dir.path().join("source");
    fs::write(&source, "kernel and more").unwrap();
    assert!(layout.link(&source, &blob).is_err());
    assert_eq!(fs::read_dir(dir.path().join("imgs/blobs/sha256")).unwrap().count(), 0);
}

#[test]
fn damage_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (manifest, config, blobs) = generation();
    let layout = Layout::create(dir.path().join("imgs")).unwrap();
    layout.insert_documents(&manifest, &config).unwrap();
    for (descriptor, bytes) in manifest.layers.iter().zip(&blobs) {
        layout.insert(&bytes[..], descriptor).unwrap();
    }
    fs::write(layout.blob(manifest.layers[2].digest), [8; 3 * 4096]).unwrap();
    assert!(layout.verify(&manifest).is_err());
    fs::write(layout.blob(manifest.digest()), "{}").unwrap();
    assert!(matches!(layout.manifest(manifest.digest()), Err(Error::WrongBlob { .. })));
    fs::remove_file(layout.blob(manifest.config.digest)).unwrap();
    assert!(matches!(layout.config(&manifest), Err(Error::Io { .. })));
}

#[test]
fn the_first_generation_of_a_medium_is_number_one_and_confirmed() {
    let (manifest, _, _) = generation();
    let note = BTreeMap::from([(layout::ANNOTATION_COMMIT.to_owned(), "0123".to_owned())]);
    let index = Index::first(&manifest, note);
    let text = String::from_utf8(index.to_bytes()).unwrap();
    assert!(text.starts_with(r#"{"schemaVersion":2,"mediaType":""#), "{text}");
    let entry = r#""annotations":{"dev.heirloom.commit":"0123","dev.heirloom.confirmed":"1","dev.heirloom.number":"1"}}],"#;
    let own = r#""annotations":{"dev.heirloom.last-number":"1"}}"#;
    assert!(text.ends_with(&format!("{entry}{own}")), "{text}");
    assert_eq!(Index::parse(text.as_bytes()).unwrap(), index);
    // An index without annotations has no member for them, and is read as it ever was.
    let plain = String::from_utf8(Index::new(Vec::new()).to_bytes()).unwrap();
    assert!(plain.ends_with(r#""manifests":[]}"#), "{plain}");
    assert_eq!(Index::parse(plain.as_bytes()).unwrap(), Index::new(Vec::new()));
}

#[test]
fn blobs_are_listed_whole_and_go_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(dir.path().join("imgs")).unwrap();
    let contents = [&b"kernel"[..], b"initramfs", b""];
    let mut wanted: Vec<_> = contents.iter().map(|it| (Digest::of(it), it.len() as u64)).collect();
    wanted.sort();
    for content in contents {
        layout.insert(content, &Descriptor::of(manifest::MEDIA_TYPE_KERNEL, content)).unwrap();
    }
    let blobs = dir.path().join("imgs/blobs/sha256");
    for other in [".partial-1", "README", "ABCDEF"] {
        fs::write(blobs.join(other), "").unwrap();
    }
    fs::create_dir(blobs.join(Digest::of("directory").hex())).unwrap();
    assert_eq!(layout.blobs().unwrap(), wanted);

    let gone = wanted.remove(0).0;
    layout.remove_blob(gone).unwrap();
    layout.remove_blob(gone).unwrap();
    assert_eq!(layout.blobs().unwrap(), wanted);
}

#[test]
fn leftovers_go_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(dir.path()).unwrap();
    let blob = Descriptor::of(manifest::MEDIA_TYPE_KERNEL, b"kernel");
    layout.insert(&b"kernel"[..], &blob).unwrap();
    let partial = format!("blobs/sha256/.partial-{}-7", blob.digest.hex());
    for (path, content) in
        [(partial.as_str(), "kern"), (".index.json-7", "{"), (".oci-layout-12", "{}")]
    {
        fs::write(dir.path().join(path), content).unwrap();
    }
    let others = [".index.json", ".indexes-7", "notes-7", "blobs/sha256/notes"];
    for path in others {
        fs::write(dir.path().join(path), "").unwrap();
    }
    assert_eq!(layout.remove_leftovers().unwrap(), 7);
    assert_eq!(layout.remove_leftovers().unwrap(), 0);
    assert!(!dir.path().join(&partial).exists() && !dir.path().join(".index.json-7").exists());
    assert!(others.iter().all(|path| dir.path().join(path).exists()));
    assert!(layout.contains(&blob));
    layout.index().unwrap();
}

#[test]
fn a_directory_that_is_no_layout_is_not_one() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Layout::open(dir.path()).is_err());
    fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(Layout::open(dir.path()).is_err());
}

#[test]
fn a_damaged_blob_is_missing_until_it_has_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(dir.path().join("layout")).unwrap();
    let blob = Descriptor::of(manifest::MEDIA_TYPE_KERNEL, b"kernel");
    layout.insert(&b"kernel"[..], &blob).unwrap();
    assert_eq!(layout.damaged().unwrap(), []);
    let source = dir.path().join("source");
    fs::write(&source, "kernel").unwrap();
    let ways: [&dyn Fn(); 2] = [&|| layout.insert(&b"kernel"[..], &blob).unwrap(), &|| {
        layout.link(&source, &blob).unwrap()
    }];
    for come_again in ways {
        fs::remove_file(layout.blob(blob.digest)).unwrap();
        fs::write(layout.blob(blob.digest), "kernxl").unwrap();
        assert!(layout.contains(&blob), "nobody knows of it");
        layout.mark_damaged(blob.digest).unwrap();
        layout.mark_damaged(blob.digest).unwrap();
        assert!(!layout.contains(&blob));
        assert_eq!(layout.damaged().unwrap(), [blob.digest]);
        assert_eq!(Layout::open(layout.root()).unwrap().damaged().unwrap(), [blob.digest]);
        come_again();
        assert!(layout.contains(&blob));
        assert_eq!(layout.damaged().unwrap(), []);
        assert_eq!(fs::read(layout.blob(blob.digest)).unwrap(), b"kernel");
    }
    layout.mark_damaged(blob.digest).unwrap();
    layout.unmark_damaged(blob.digest).unwrap();
    assert!(layout.contains(&blob));
    // Whose blob is gone is nobody's.
    layout.mark_damaged(blob.digest).unwrap();
    layout.remove_blob(blob.digest).unwrap();
    assert_eq!(layout.damaged().unwrap(), []);
}
