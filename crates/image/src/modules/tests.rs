use std::io::Write;

use super::*;
use crate::fixture::{Member, tar};
use crate::modinfo::module;

const FOLDER: &str = "usr/lib/modules/6.12";

/// A kernel that init can do with: all that it needs is built in.
const BUILTIN: &str = "kernel/fs/ext4.ko\nkernel/fs/overlay.ko\nkernel/fs/vfat.ko\n\
                       kernel/fs/isofs.ko\nkernel/fs/squashfs.ko\nkernel/loop.ko\n\
                       kernel/crypto/sha256_generic.ko\n";
const MODINFO: &str = "sha256_generic.alias=crypto-sha256\0ext4.alias=fs-ext4\0";

fn ko(name: &str, info: &str) -> Member {
    Member::file(&format!("{FOLDER}/kernel/{name}.ko"), &module(info))
}

fn verity() -> [Member; 3] {
    let xz = |bytes: Vec<u8>| {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zst = |bytes: Vec<u8>| zstd::encode_all(&bytes[..], 1).unwrap();
    [
        Member::file(
            &format!("{FOLDER}/kernel/dm-verity.ko.xz"),
            &xz(module("depends=dm-bufio,dm-mod\0")),
        ),
        Member::file(&format!("{FOLDER}/kernel/dm-bufio.ko.zst"), &zst(module("depends=dm-mod\0"))),
        ko("dm-mod", "depends=\0"),
    ]
}

/// A kernel with what is built in, the modules of dm-verity, and more.
fn kernel(
    builtin: &str,
    modinfo: &str,
    aliases: &str,
    extra: Vec<Member>,
) -> tempfile::NamedTempFile {
    let file = |name: &str, text: &str| Member::file(&format!("{FOLDER}/{name}"), text.as_bytes());
    let mut members = vec![
        Member::symlink("lib", "usr/lib"),
        Member::dir("usr"),
        Member::dir("usr/lib"),
        Member::dir("usr/lib/modules"),
        Member::dir(FOLDER),
        file("modules.builtin", builtin),
        file("modules.alias", aliases),
        Member::dir(&format!("{FOLDER}/kernel")),
    ];
    if !modinfo.is_empty() {
        members.push(file("modules.builtin.modinfo", modinfo));
    }
    members.extend(verity());
    members.extend(extra);
    tar(&members)
}

fn wanted(first: &[&str], required: &[&str], optional: &[&str]) -> Wanted {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Wanted {
        package: "linux-image-amd64".into(),
        layers: LayerFormat::Squashfs,
        first: names(first),
        required: names(required),
        optional: names(optional),
    }
}

fn chosen(tar: &tempfile::NamedTempFile, wanted: &Wanted) -> Result<Closure> {
    closure(&Tree::open(tar.path()).unwrap(), "6.12", wanted)
}

/// All files of the initramfs.
fn files(closure: &Closure) -> Vec<&str> {
    closure.files.iter().map(|module| module.name.as_str()).collect()
}

#[test]
fn what_init_needs_is_there_and_loaded_after_what_it_depends_on() {
    let tar = kernel(BUILTIN, MODINFO, "", vec![ko("lonely", "depends=\0")]);
    let closure = chosen(&tar, &wanted(&[], &["dm_verity"], &[])).unwrap();
    assert_eq!(files(&closure), ["dm_bufio", "dm_mod", "dm_verity"]);
    assert_eq!(closure.table.always, ["dm_verity"]);
    let table = &closure.table;
    assert_eq!(table.plan(["dm_verity"]), ["dm_mod", "dm_bufio", "dm_verity"]);
    assert!(closure.files[0].bytes.starts_with(b"\x7fELF"), "it is compressed");
}

#[test]
fn a_kernel_without_what_init_needs_is_refused() {
    for (lacking, purpose) in [
        ("ext4", "the data partition"),
        ("overlay", "the root"),
        ("vfat", "the boot partition"),
        ("isofs", "a live ISO"),
        ("loop", "the layers"),
        ("squashfs", "the layers"),
    ] {
        let builtin: String = BUILTIN
            .lines()
            .filter(|line| !line.contains(lacking))
            .map(|it| format!("{it}\n"))
            .collect();
        let modinfo =
            if lacking == "ext4" { "sha256_generic.alias=crypto-sha256\0" } else { MODINFO };
        let error = chosen(&kernel(&builtin, modinfo, "", vec![]), &wanted(&[], &[], &[]));
        let error = error.err().unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "the kernel of linux-image-amd64, 6.12, has no module `{lacking}`, \
                 which {purpose} cannot be used without"
            )
        );
        assert!(error.hint().unwrap().contains("server.toml"));
    }
}

#[test]
fn a_hash_that_nothing_computes_is_refused_as_an_alias_and_as_a_soft_dependency() {
    let no_hash = BUILTIN.replace("kernel/crypto/sha256_generic.ko\n", "");
    let error = chosen(&kernel(&no_hash, "a.alias=b\0", "", vec![]), &wanted(&[], &[], &[]));
    assert!(error.err().unwrap().to_string().contains("`crypto-sha256`, which the layers' hash"));

    // ext4 as Debian's linux-image-amd64 has it, as a file and as a part of the kernel.
    let soft = "depends=\0softdep=pre: crypto-crc32c\0";
    let no_ext4 = BUILTIN.replace("kernel/fs/ext4.ko\n", "");
    let file = kernel(&no_ext4, "sha256_generic.alias=crypto-sha256\0", "", vec![ko("ext4", soft)]);
    let modinfo = format!("{MODINFO}ext4.softdep=pre: crypto-crc32c\0");
    let part = kernel(BUILTIN, &modinfo, "", vec![]);
    for tar in [file, part] {
        let error = chosen(&tar, &wanted(&[], &[], &[])).err().unwrap();
        assert_eq!(
            error.to_string(),
            "the kernel of linux-image-amd64, 6.12, has no module `crypto_crc32c`, \
             which `ext4` needs"
        );
    }
}

#[test]
fn a_soft_dependency_is_found_by_its_alias() {
    let aliases = "# Aliases extracted from modules themselves.\n\
                   alias crypto-crc32c crc32c_intel\nalias crypto-crc32c crc32c_generic\n";
    let crc = |name, alias| ko(name, &format!("depends=\0alias=crypto-crc32c\0{alias}"));
    let crcs = || vec![crc("crc32c-intel", "alias=cpu:type:x86*\0"), crc("crc32c_generic", "")];
    let modinfo = "sha256_generic.alias=crypto-sha256\0";
    let mut extra = crcs();
    extra.push(ko("ext4", "depends=\0softdep=pre: crypto-crc32c\0"));
    let tar = kernel(&BUILTIN.replace("kernel/fs/ext4.ko\n", ""), modinfo, aliases, extra);
    let closure = chosen(&tar, &wanted(&[], &[], &[])).unwrap();
    assert_eq!(closure.table.plan(["ext4"]), ["crc32c_generic", "ext4"]);
    assert!(files(&closure).contains(&"crc32c_intel"), "the processor may ask for it");
    assert!(!closure.table.always.contains(&"ext4".to_owned()), "an ISO needs no ext4");
    assert!(closure.table.aliases.contains(&("cpu:type:x86*".into(), "crc32c_intel".into())));

    // Built in, ext4 is not loaded: what computes its hash is.
    let tar =
        kernel(BUILTIN, &format!("{MODINFO}ext4.softdep=pre: crypto-crc32c\0"), aliases, crcs());
    let closure = chosen(&tar, &wanted(&[], &[], &[])).unwrap();
    assert_eq!(closure.table.always, ["dm_verity", "crc32c_generic"]);
}

#[test]
fn a_soft_dependency_of_a_driver_is_taken_where_it_is_there() {
    let driver = |name: &str| ko(name, "depends=\0softdep=pre: helper nowhere post: helper\0");
    let tar = kernel(BUILTIN, MODINFO, "", vec![driver("one")]);
    assert!(!files(&chosen(&tar, &wanted(&[], &[], &["one"])).unwrap()).contains(&"helper"));
    let tar = kernel(BUILTIN, MODINFO, "", vec![driver("one"), ko("helper", "depends=\0")]);
    let closure = chosen(&tar, &wanted(&[], &[], &["one", "gone"])).unwrap();
    assert_eq!(closure.table.plan(["one"]), ["helper", "one"]);
}

#[test]
fn a_folder_stands_for_all_that_is_in_it() {
    let folders = ["drivers", "drivers/ata", "drivers/atari"]
        .map(|folder| Member::dir(&format!("{FOLDER}/kernel/{folder}")));
    let mut extra = Vec::from(folders);
    extra.push(ko("drivers/ata/ahci", "depends=libahci\0alias=pci:v1\0"));
    extra.push(ko("drivers/ata/libahci", "depends=\0"));
    extra.push(ko("drivers/atari/ikbd", "depends=\0"));
    let tar = kernel(BUILTIN, MODINFO, "", extra);
    let closure = chosen(&tar, &wanted(&[], &[], &["drivers/ata/", "drivers/none/"])).unwrap();
    assert_eq!(files(&closure), ["ahci", "dm_bufio", "dm_mod", "dm_verity", "libahci"]);
    assert_eq!(closure.table.plan(["ahci"]), ["libahci", "ahci"]);
    assert!(!closure.table.always.contains(&"ahci".to_owned()));
}

#[test]
fn a_watchdog_comes_first_and_always_where_no_device_asks_for_it() {
    let watchdogs = vec![
        ko("watch_dog", "depends=vendor\0alias=pci:v1\0"),
        ko("vendor", "depends=\0"),
        ko("softdog", "depends=\0"),
    ];
    let tar = kernel(BUILTIN, MODINFO, "", watchdogs);
    let closure = chosen(&tar, &wanted(&["watch-dog", "softdog", "other"], &[], &[])).unwrap();
    assert_eq!(closure.table.first, ["watch_dog", "softdog"]);
    assert_eq!(closure.table.always, ["softdog", "dm_verity"]);
}

#[test]
fn what_is_nowhere_is_named_with_what_needs_it() {
    let tar = kernel(BUILTIN, MODINFO, "", vec![ko("lonely", "depends=gone\0")]);
    let error = chosen(&tar, &wanted(&[], &["dm-verty"], &[])).err().unwrap();
    let says = |module: &str, why: &str| {
        format!("the kernel of linux-image-amd64, 6.12, has no module `{module}`, {why}")
    };
    assert_eq!(error.to_string(), says("dm-verty", "which the board requires"));
    assert!(error.hint().unwrap().contains("board.toml"));
    let error = chosen(&tar, &wanted(&[], &["lonely"], &[])).err().unwrap();
    assert_eq!(error.to_string(), says("gone", "which `lonely` needs"));
}

#[test]
fn a_kernel_that_does_not_say_what_is_built_in_is_taken_by_its_names() {
    assert!(chosen(&kernel(BUILTIN, "", "", vec![]), &wanted(&[], &[], &[])).is_ok());
}

#[test]
fn a_file_that_is_no_module_is_an_error() {
    for (name, bytes) in [("a.ko", &b"text"[..]), ("a.ko.xz", b"text"), ("a.ko.zst", b"text")] {
        let file = Member::file(&format!("{FOLDER}/kernel/{name}"), bytes);
        let tar = kernel(BUILTIN, MODINFO, "", vec![file]);
        let error = chosen(&tar, &wanted(&[], &["a"], &[])).err().unwrap();
        assert!(matches!(error, Error::BadModule { .. }), "{error}");
    }
}
