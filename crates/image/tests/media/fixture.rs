//! A small server: a tree with everything that a filesystem can hold, and the generation of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use digest::Digest;
use generation::layout::ANNOTATION_COMMIT;
use generation::{Config, LayerFormat, State};
use image::modules::Wanted;
use image::{Blob, Bundle, Tree, initramfs, layer};
use rootfs::tarball::{Header, Kind, Writer};
use sandbox::{Group, ToolRoot, Tools};
use store::{Options, Store};

pub(crate) const EPOCH: u64 = 1_790_000_000;

/// `cap_net_bind_service=ep`: revision 2, effective, capability 10 permitted (linux/capability.h).
pub(crate) const CAPABILITY: [u8; 20] =
    [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The root of a group of tools.
pub(crate) fn tools(group: Group) -> ToolRoot {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let store = Store::open(Options::from_environment().unwrap()).unwrap();
    Tools::open(workspace, &store).unwrap().root(group).unwrap()
}

/// A kernel that has built in what init needs.
const BUILTIN: &[u8] = b"dm-verity.ko\next4.ko\nisofs.ko\nloop.ko\noverlay.ko\nsha256_generic.ko\n\
                         squashfs.ko\nvfat.ko\n";

/// Bytes that do not compress: a layer of more than one block of hashes.
pub(crate) fn noise() -> Vec<u8> {
    let mut seed = 1_u64;
    std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u8
    })
    .take(900_000)
    .collect()
}

/// Writes the tree's archive.
pub(crate) fn tree(path: &Path) {
    let noise = noise();
    let time = EPOCH as i64;
    let dir = |path: &str| (Header::new(path, Kind::Directory, 0o755, time - 10), Vec::new());
    let file = |path: &str, mode, content: &[u8]| {
        let kind = Kind::File(content.len() as u64);
        (Header::new(path, kind, mode, time - 20), content.to_vec())
    };
    let mut members = vec![
        dir(""),
        dir("boot"),
        file("boot/vmlinuz-6.12", 0o644, &noise[..300_000]),
        (Header::new("lib", Kind::Symlink("usr/lib".into()), 0o777, time), vec![]),
        dir("usr"),
        dir("usr/bin"),
        file("usr/bin/passwd", 0o4755, b"setuid"),
        file("usr/bin/ping", 0o755, b"capable"),
        dir("usr/lib"),
        dir("usr/lib/modules"),
        dir("usr/lib/modules/6.12"),
        file("usr/lib/modules/6.12/modules.builtin", 0o644, BUILTIN),
        dir("usr/share"),
        file("usr/share/noise", 0o644, &noise),
        file("usr/share/\u{151}t an\u{fa}", 0o640, b"name"),
        (
            Header::new("usr/share/link", Kind::HardLink("usr/bin/ping".into()), 0o755, time - 20),
            vec![],
        ),
        (Header::new("usr/share/sym", Kind::Symlink("../bin/ping".into()), 0o777, time), vec![]),
        dir("var"),
        file("var/late", 0o600, b"from after the epoch"),
    ];
    for (header, _) in &mut members {
        match header.path.as_slice() {
            b"usr/bin/ping" => {
                header.xattrs.insert("security.capability".into(), CAPABILITY.into());
                header.xattrs.insert("user.note".into(), b"kept".into());
            }
            b"var" => (header.uid, header.gid, header.mode) = (8, 65_534, 0o2775),
            b"var/late" => header.mtime = time + 1_000_000,
            _ => {}
        }
    }
    members.sort_by(|one, other| one.0.path.cmp(&other.0.path));
    let mut writer = Writer::new(File::create(path).unwrap());
    for (header, content) in members {
        writer.append(&header, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap();
}

/// Makes a generation in `dir`: a tree, two layers of it, kernel and initramfs.
pub(crate) fn bundle(dir: &Path, tools: &ToolRoot) -> Bundle {
    let at = |name: &str| dir.join(name);
    tree(&at("tree.tar"));
    let mut writer = Writer::new(File::create(at("config.tar")).unwrap());
    for (path, content) in [("", None), ("etc", None), ("etc/hostname", Some("mail\n"))] {
        let kind = content.map_or(Kind::Directory, |text| Kind::File(text.len() as u64));
        let header = Header::new(path, kind, 0o755, EPOCH as i64);
        writer.append(&header, &mut content.unwrap_or_default().as_bytes()).unwrap();
    }
    writer.finish().unwrap();

    let tree = Tree::open(&at("tree.tar")).unwrap();
    let kernel = initramfs::kernel(&tree, "boot/vmlinuz-6.12", &at("kernel")).unwrap();
    std::fs::write(at("init"), "static program").unwrap();
    let (init, e2fsck) = (at("init"), tools.path().join(initramfs::E2FSCK));
    let programs = initramfs::Programs { init: &init, e2fsck: Some(&e2fsck) };
    let wanted = Wanted {
        package: "linux-image-amd64".into(),
        layers: LayerFormat::Squashfs,
        first: vec![],
        required: vec![],
        optional: vec![],
    };
    let initrd = initramfs::build(&tree, "6.12", &wanted, programs, &at("initrd")).unwrap();
    let layer = |name: &str| {
        let (tar, out) = (at(&format!("{name}.tar")), at(&format!("{name}.layer")));
        let sealed = layer::build(tools, LayerFormat::Squashfs, &tar, EPOCH, &out).unwrap();
        Blob::layer(LayerFormat::Squashfs, &sealed, out)
    };
    let layers = vec![layer("tree"), layer("config")];
    let note = BTreeMap::from([(ANNOTATION_COMMIT.to_owned(), "0123".to_owned())]);
    Bundle::new(config(), Blob::new(kernel, at("kernel")), Blob::new(initrd, at("initrd")), layers)
        .unwrap()
        .annotated(note)
}

fn config() -> Config {
    Config {
        server: "mailserver".into(),
        hostname: "mail".into(),
        board: "pc".into(),
        distribution: "debian".into(),
        architecture: "amd64".into(),
        cmdline: "console=ttyS0,115200".into(),
        lock: Digest::of("lock"),
        epoch: EPOCH,
        health_within: 120,
        state: vec![State::new("/var/spool/mail", "mail")],
    }
}

/// A part of a file, as a file of its own.
pub(crate) fn cut(image: &Path, from: u64, to: u64, out: PathBuf) -> PathBuf {
    use std::io::{Read, Seek, SeekFrom, Write};
    let mut input = File::open(image).unwrap();
    input.seek(SeekFrom::Start(from)).unwrap();
    let mut output = File::create(&out).unwrap();
    output.set_len(to - from).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut input = input.take(to - from);
    loop {
        let read = input.read(&mut buffer).unwrap();
        if read == 0 {
            return out;
        }
        if buffer[..read].iter().any(|byte| *byte != 0) {
            output.write_all(&buffer[..read]).unwrap();
        } else {
            output.seek(SeekFrom::Current(read as i64)).unwrap();
        }
    }
}
