//! Manifests and configs: one canonical form, and nothing else is read.

#![cfg(test)]

use digest::Digest;
use generation::{Config, Descriptor, LayerFormat, Manifest, State, StateOption, Verity, manifest};
use proptest::prelude::*;

/// Breaks one thing.
type Break<T> = fn(&mut T);

fn config() -> Config {
    Config {
        server: "mailserver".into(),
        hostname: "mail".into(),
        board: "pc".into(),
        distribution: "debian".into(),
        architecture: "amd64".into(),
        cmdline: "console=ttyS0,115200 panic=10".into(),
        lock: Digest::of("lock"),
        epoch: 1_790_000_000,
        health_within: 120,
        state: vec![state("/var/log/journal", "journal"), state("/var/spool/mail", "mail")],
    }
}

fn state(path: &str, at: &str) -> State {
    State::new(path, at)
}

/// What is as it is for nearly all state is not written: configs that were made before it could be
/// said keep their digests.
#[test]
fn only_unusual_state_says_more_than_where_it_is() {
    let unusual = State {
        seed: false,
        options: vec![StateOption::Dev, StateOption::Suid],
        ..state("/srv/chroots", "chroots")
    };
    let config = Config { state: vec![unusual], ..config() };
    let bytes = config.to_bytes();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let written = r#"{"path":"/srv/chroots","at":"chroots","seed":false,"options":["dev","suid"]}"#;
    assert!(text.contains(written), "{text}");
    assert_eq!(Config::parse(&bytes).unwrap(), config);
    for other in [r#","seed":true"#, r#","options":[]"#, r#","options":["noexec"]"#, r#","x":1"#] {
        let text = text.replace(r#","seed":false,"options":["dev","suid"]"#, other);
        assert!(Config::parse(text.as_bytes()).is_err(), "{other}");
    }
}

fn layer(name: &str, data_blocks: u64) -> Descriptor {
    let verity = Verity { root: Digest::of("root"), salt: Verity::zero_salt(), data_blocks };
    Descriptor::filesystem(LayerFormat::Squashfs, Digest::of(name), &verity)
}

fn manifest() -> Manifest {
    Manifest::new(
        config().descriptor(),
        Descriptor::of(manifest::MEDIA_TYPE_KERNEL, b"kernel"),
        Descriptor::of(manifest::MEDIA_TYPE_INITRAMFS, b"initramfs"),
        vec![layer("packages", 40_000), layer("config", 3)],
    )
    .unwrap()
}

/// The bytes that a digest covers are a format: this test fails when they change, and then the
/// media types need a new version.
#[test]
fn canonical_bytes_are_a_format() {
    let state =
        r#"[{"path":"/var/log/journal","at":"journal"},{"path":"/var/spool/mail","at":"mail"}]"#;
    let lock = Digest::of("lock");
    assert_eq!(
        String::from_utf8(config().to_bytes()).unwrap(),
        format!(
            r#"{{"server":"mailserver","hostname":"mail","board":"pc","distribution":"debian","architecture":"amd64","cmdline":"console=ttyS0,115200 panic=10","lock":"{lock}","epoch":1790000000,"health_within":120,"state":{state}}}"#
        )
    );
    let text = String::from_utf8(manifest().to_bytes()).unwrap();
    assert!(text.starts_with(
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.heirloom.generation.v1","config":{"mediaType":"application/vnd.heirloom.generation.config.v1+json","digest":"sha256:"#
    ));
    assert!(text.contains(
        r#""annotations":{"dev.heirloom.verity.data-blocks":"40000","dev.heirloom.verity.root":""#
    ));
    assert_eq!(manifest().digest(), Digest::of(text));
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(Config::parse(&config().to_bytes()).unwrap(), config());
    let read = Manifest::parse(&manifest().to_bytes()).unwrap();
    assert_eq!(read, manifest());
    assert_eq!(read.kernel().unwrap().digest, Digest::of("kernel"));
    assert_eq!(read.initramfs().unwrap().digest, Digest::of("initramfs"));
    let layers = read.filesystems().unwrap();
    assert_eq!(layers.len(), 2);
    assert_eq!(layers[1].digest, Digest::of("config"));
    assert_eq!(layers[1].verity.data_blocks, 3);
    assert_eq!(layers[1].format.name(), "squashfs");
    assert_eq!(read.blobs().count(), 5);
}

/// Each line breaks one thing; the message has to name it.
#[test]
fn hostile_manifests_are_refused() {
    let breaks: &[(&str, Break<Manifest>)] = &[
        ("schemaVersion", |m| m.schema_version = 1),
        ("mediaType", |m| m.media_type = "application/json".into()),
        ("artifactType", |m| m.artifact_type = "application/vnd.example".into()),
        ("config.mediaType", |m| m.config.media_type = manifest::MEDIA_TYPE_KERNEL.into()),
        ("config", |m| m.config.size = 0),
        ("layers[0]", |m| m.layers.clear()),
        ("layers[1]", |m| m.layers.truncate(1)),
        ("no filesystem", |m| m.layers.truncate(2)),
        ("layers[0].mediaType", |m| m.layers.swap(0, 1)),
        ("layers[2]", |m| m.layers[2].media_type = "application/vnd.heirloom.layer.ext4".into()),
        ("layers[2]", |m| m.layers[2].media_type = manifest::MEDIA_TYPE_KERNEL.into()),
        ("data blocks", |m| m.layers[2].size += 4096),
        ("data blocks", |m| m.layers[2].size = u64::MAX),
        ("annotation", |m| m.layers[2].annotations.clear()),
        ("annotation", |m| m.layers[0].annotations = m.layers[2].annotations.clone()),
        ("twice", |m| m.layers.push(m.layers[2].clone())),
        ("twice", |m| m.layers[3].digest = m.layers[0].digest),
        ("more than 16", |m| {
            let more = (0..16).map(|n| layer(&n.to_string(), 2));
            m.layers.extend(more);
        }),
    ];
    for (named, change) in breaks {
        let mut broken = manifest();
        change(&mut broken);
        let error = Manifest::parse(&broken.to_bytes()).unwrap_err();
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
}

#[test]
fn hostile_configs_are_refused() {
    let breaks: &[(&str, Break<Config>)] = &[
        ("server", |c| c.server = "../x".into()),
        ("hostname", |c| c.hostname = String::new()),
        ("board", |c| c.board = "p c".into()),
        ("cmdline", |c| c.cmdline += "\nlabel evil"),
        ("cmdline", |c| c.cmdline += " heirloom.data=iso:EVIL"),
        ("health_within", |c| c.health_within = 0),
        ("epoch", |c| c.epoch = u64::MAX),
        ("state[0].path", |c| c.state[0].path = "var/log".into()),
        ("state[0].path", |c| c.state[0].path = "/".into()),
        ("state[0].path", |c| c.state[0].path = "/var/../etc".into()),
        ("state[0].path", |c| c.state[0].path = "/var//log".into()),
        ("state[0].path", |c| c.state[0].path = "/var/log/".into()),
        ("state[1].at", |c| c.state[1].at = "../imgs".into()),
        ("state[1].at", |c| c.state[1].at = "/imgs".into()),
        ("state[1].at", |c| c.state[1].at = String::new()),
        ("state[1].options", |c| c.state[1].options = vec![StateOption::Suid, StateOption::Dev]),
        ("state[1].options", |c| c.state[1].options = vec![StateOption::Dev; 2]),
        ("comes after", |c| c.state.swap(0, 1)),
        ("comes after", |c| c.state.push(state("/var/spool/mail", "other"))),
        ("same place", |c| c.state.push(state("/x/y", "mail"))),
    ];
    for (named, change) in breaks {
        let mut broken = config();
        change(&mut broken);
        broken.state.dedup_by(|a, b| a == b);
        if *named == "same place" {
            broken.state.sort_by(|a, b| a.path.cmp(&b.path));
        }
        let error = Config::parse(&broken.to_bytes()).unwrap_err();
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
}

#[test]
fn places_in_state_do_not_overlap() {
    let with = |places: &[&str]| {
        let mut config = config();
        config.state =
            places.iter().enumerate().map(|(n, at)| state(&format!("/p{n}"), at)).collect();
        config.check()
    };
    with(&["a", "a-b", "b/c", "b/d"]).unwrap();
    assert!(with(&["a", "a-b", "a/b"]).is_err());
    assert!(with(&["b/c", "b"]).is_err());
}

#[test]
fn only_the_canonical_form_is_read() {
    let canonical = String::from_utf8(manifest().to_bytes()).unwrap();
    let field = r#"{"schemaVersion":2,"#;
    for other in [
        format!("{canonical}\n"),
        canonical.replace(r#":2,"#, ": 2,"),
        canonical.replace("sha256", r"sha\u003256"),
        canonical.replacen(field, r#"{"schemaVersion":2,"subject":null,"#, 1),
        canonical.replacen(field, r#"{"schemaVersion":2,"schemaVersion":2,"#, 1),
        canonical.replacen(field, "{", 1),
        format!("[{}", "[".repeat(10_000)),
        String::new(),
    ] {
        assert!(Manifest::parse(other.as_bytes()).is_err(), "{other}");
    }
    let long = vec![b' '; 1 << 20];
    assert!(Manifest::parse(&long).is_err());
    assert!(Config::parse(&long).is_err());
}

proptest! {
    /// Whatever a config holds: if it passes, reading gives it back, byte for byte.
    #[test]
    fn a_good_config_survives(cmdline in "[ -~]{0,40}", path in "/[a-z./]{0,12}", at in "[a-z./]{0,8}") {
        let config = Config { cmdline, state: vec![State::new(path, at)], ..config() };
        match config.check() {
            Ok(()) => prop_assert_eq!(Config::parse(&config.to_bytes()).unwrap(), config),
            Err(_) => prop_assert!(Config::parse(&config.to_bytes()).is_err()),
        }
    }

    /// A byte changed anywhere is an error or another generation, never the same one.
    #[test]
    fn a_changed_byte_is_seen(index in 0usize..1000, byte: u8) {
        let mut bytes = manifest().to_bytes();
        let index = index % bytes.len();
        prop_assume!(bytes[index] != byte);
        bytes[index] = byte;
        if let Ok(read) = Manifest::parse(&bytes) {
            prop_assert_ne!(read.digest(), manifest().digest());
        }
    }
}
