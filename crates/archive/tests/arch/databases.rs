//! Databases: real ones, and hostile ones.

use std::io::Write as _;

use archive::Error;
use testarchive::{Package, Packed};

use crate::server::{MONDAY, Server, request, shown};

/// Writes a database of these files.
pub(crate) fn database(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        // As it is, also where it leads out of the archive.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_590_969_600);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn folder(packed: &Packed) -> String {
    format!("{}-{}/desc", packed.name, packed.version)
}

/// Puts a database of the keyring, `good`, and `aa` with another `desc` into the archive.
fn with_entry(server: &Server, path: &str, desc: &[u8]) {
    let good = Package::new("good", "1-1").pack(&server.keys);
    let archive = server.archive();
    archive.add(&good);
    archive.add(&server.keyring);
    let bytes = database(&[
        (&folder(&server.keyring), server.keyring.desc.as_bytes()),
        (&folder(&good), good.desc.as_bytes()),
        (path, desc),
    ]);
    archive.write_database(MONDAY, "core", &bytes, 0);
}

#[test]
fn one_bad_entry_is_left_out_and_told_when_it_is_asked_for() {
    let server = Server::new();
    let desc = Package::new("aa", "1-1").pack(&server.keys).desc;
    let replaced = |from: &str, to: &str| {
        assert!(desc.contains(from), "{desc}");
        desc.replace(from, to)
    };
    let size = desc.split("%CSIZE%\n").nth(1).unwrap().lines().next().unwrap();
    let sum = desc.split("%SHA256SUM%\n").nth(1).unwrap().lines().next().unwrap();
    let file = "aa-1-1-x86_64.pkg.tar.zst";
    let cases = [
        (replaced(file, "../../../etc/passwd"), "is not the name of its package file"),
        (replaced(file, "bb-1-1-x86_64.pkg.tar.zst"), "is not the name of its package file"),
        (replaced(file, "aa-1-1-x86_64.pkg.tar.zst/x"), "is not the name of its package file"),
        (replaced(size, "99999999999999999999"), "is not the size of a package file"),
        (replaced(size, "0"), "is not the size of a package file"),
        (replaced(size, "-1"), "is not the size of a package file"),
        (replaced(sum, "abc"), "is not a sha256"),
        (replaced("%SHA256SUM%", "%MD5SUM%"), "it has no `%SHA256SUM%`"),
        (replaced("%ARCH%\nx86_64", "%ARCH%\naarch64"), "it is for \"aarch64\", not for x86_64"),
        (replaced("%NAME%\naa", "%NAME%\n../aa"), "is not the name of a package"),
        (replaced("%VERSION%\n1-1", "%VERSION%\n1/../1-1"), "is not a version"),
        (replaced("%VERSION%\n1-1", "%VERSION%\n2-1"), "is not the place of aa 2-1"),
        (format!("{desc}%DEPENDS%\na b c\n\n"), "is not understood"),
        (format!("{desc}%PGPSIG%\n!!!\n\n"), "is not a signature"),
        (String::new(), "is not the name of a package"),
    ];
    for (desc, why) in cases {
        with_entry(&server, "aa-1-1/desc", desc.as_bytes());
        assert_eq!(server.install(&["good"]), ["good 1-1"]);
        let error = server.resolve(&request(&["aa"])).unwrap_err();
        assert!(matches!(error, Error::LeftOut { .. }), "{error:?}");
        let text = shown(&error);
        assert!(text.starts_with("core has a `aa` that is not understood"), "{text}");
        assert!(text.contains(why), "{why}: {text}");
    }
}

#[test]
fn a_dependency_on_what_was_left_out_is_told() {
    let server = Server::new();
    let needs = Package::new("good", "1-1").depends("aa").pack(&server.keys);
    let bytes = database(&[
        (&folder(&server.keyring), server.keyring.desc.as_bytes()),
        (&folder(&needs), needs.desc.as_bytes()),
        ("aa-1-1/desc", b"%NAME%\naa\n"),
    ]);
    let archive = server.archive();
    archive.add(&server.keyring);
    archive.write_database(MONDAY, "core", &bytes, 0);
    let conflict = server.conflict(&["good"]);
    assert!(conflict.contains("core has a aa that is not understood"), "{conflict}");
}

#[test]
fn an_absurdly_large_entry_is_left_out() {
    let server = Server::new();
    with_entry(&server, "aa-1-1/desc", &vec![b'x'; 5 << 20]);
    assert_eq!(server.install(&["good"]), ["good 1-1"]);
    let text = shown(&server.resolve(&request(&["aa"])).unwrap_err());
    assert!(text.contains("it is larger than"), "{text}");
}

#[test]
fn a_path_that_leads_out_is_just_no_entry() {
    let server = Server::new();
    let desc = Package::new("aa", "1-1").pack(&server.keys).desc;
    with_entry(&server, "../../aa-1-1/desc", desc.as_bytes());
    assert_eq!(server.install(&["good"]), ["good 1-1"]);
    server.resolve(&request(&["aa"])).unwrap_err();
}

#[test]
fn an_old_database_has_relations_in_a_file_of_their_own() {
    let server = Server::new();
    let bb = Package::new("bb", "1-1").pack(&server.keys);
    let aa = Package::new("aa", "1-1").pack(&server.keys);
    let archive = server.archive();
    for packed in [&aa, &bb, &server.keyring] {
        archive.add(packed);
    }
    let bytes = database(&[
        ("aa-1-1/depends", b"%DEPENDS%\nbb>=1\n"),
        (&folder(&aa), aa.desc.as_bytes()),
        (&folder(&bb), bb.desc.as_bytes()),
        (&folder(&server.keyring), server.keyring.desc.as_bytes()),
    ]);
    archive.write_database(MONDAY, "core", &bytes, 0);
    assert_eq!(server.install(&["aa"]), ["aa 1-1", "bb 1-1"]);
}

#[test]
fn databases_come_in_any_compression() {
    let server = Server::of(&[Package::new("aa", "1-1")]);
    let path = server.archive().repository(MONDAY, "core").join("core.db");
    let gzip = std::fs::read(&path).unwrap();
    let mut plain = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&plain).unwrap();
    for bytes in [plain, zstd, xz.finish().unwrap()] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(server.install(&["aa"]), ["aa 1-1"]);
    }
}

#[test]
fn what_is_no_database_is_refused() {
    let server = Server::of(&[Package::new("aa", "1-1")]);
    let path = server.archive().repository(MONDAY, "core").join("core.db");
    let whole = std::fs::read(&path).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    for bytes in [b"<html>".to_vec(), cut, [&whole[..], b"x"].concat()] {
        std::fs::write(&path, &bytes).unwrap();
        let error = server.resolve(&request(&["aa"]));
        // What stands behind the end of the archive is nothing of ours.
        if bytes.len() < whole.len() {
            assert!(matches!(error, Err(Error::NoIndex { .. })), "{error:?}");
        }
    }
}

/// All of the 3,237 entries are understood; what is asked for is found where it is.
#[test]
fn real_databases_are_read_whole() {
    let server = Server::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arch/data");
    let day = jiff::civil::date(2021, 4, 30);
    for repository in ["core", "extra"] {
        let bytes = std::fs::read(folder.join(format!("{repository}.db"))).unwrap();
        server.archive().write_database(day, repository, &bytes, 0);
    }
    let mut request = request(&["base", "linux"]);
    request.date = day;
    request.repositories.push("extra".to_owned());
    let archive = archive::arch::Archive::new(&server.store, server.main_keys());
    let chosen = archive.choose(&request).unwrap();
    assert!(chosen.contains(&"linux 5.11.16.arch1-1".to_owned()), "{chosen:?}");
    assert!(!chosen.iter().any(|name| name.starts_with("mkinitcpio ")));
    // The keyring's package is not here: its digest stands in the database.
    let error = server.resolve(&request).unwrap_err();
    assert!(shown(&error).contains("archlinux-keyring 20210110-1"), "{}", shown(&error));
}
