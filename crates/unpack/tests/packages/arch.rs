//! Packages of Arch are read to their end before pacman sees them.

use std::error::Error;

use tar::EntryType;
use unpack::{ArchPackage, Kind, check_links};

use crate::build::{Deb, header};

const INFO: &str = "pkgname = a\npkgver = 1:2-3\narch = any\nsize = 10\n";

fn package() -> Deb {
    Deb::new("a")
}

fn read(package: &Deb) -> Result<ArchPackage, unpack::Error> {
    ArchPackage::read("a-1:2-3-any.pkg.tar", &package.bytes_for_arch(INFO)[..])
}

/// Why a package is refused.
fn refused(package: &Deb) -> String {
    match read(package) {
        Ok(package) => panic!("{package:?} was not refused"),
        Err(error) => error.source().unwrap().to_string(),
    }
}

#[test]
fn all_of_a_package_is_known_before_it_is_laid() {
    let package = package()
        .file(".MTREE", "#mtree")
        .directory("usr/", 0o755)
        .file("usr/file", "content")
        .hard_link("usr/other", "usr/file")
        .symlink("usr/link", "/anywhere/at/all");
    for ending in ["", ".gz", ".xz", ".zst"] {
        let bytes = package.clone().compressed(ending).bytes_for_arch(INFO);
        let read = ArchPackage::read(&format!("a-1:2-3-any.pkg.tar{ending}"), &bytes[..]).unwrap();
        assert_eq!(read.label(), "a-1:2-3");
        let members: Vec<_> = read
            .members
            .iter()
            .map(|laid| (laid.place.to_str().unwrap(), laid.kind.clone()))
            .collect();
        assert_eq!(
            members,
            [
                ("usr", Kind::Directory),
                ("usr/file", Kind::File(7)),
                ("usr/other", Kind::HardLink("usr/file".into())),
                ("usr/link", Kind::Symlink("/anywhere/at/all".into())),
            ]
        );
    }
}

#[test]
fn a_member_that_could_leave_the_tree_is_refused() {
    for name in ["/etc/passwd", "../x", "usr/../../x", "usr/.."] {
        assert!(refused(&package().file(name, "")).contains("leads out of the tree"), "{name}");
        assert!(refused(&package().directory(name, 0o755)).contains("leads out"), "{name}");
    }
    let link = package().hard_link("usr/x", "../etc/passwd");
    assert!(refused(&link).contains("leads out"));
    let link = package().symlink("usr/l", "/etc/passwd").hard_link("usr/x", "usr/l");
    assert!(refused(&link).contains("is no file of this package"));
}

#[test]
fn a_name_that_pacman_would_read_otherwise_is_refused() {
    for name in ["./usr/file", "usr//file", "usr/./file"] {
        let refused = refused(&package().file(name, ""));
        assert!(refused.contains("impossible name"), "{name}: {refused}");
    }
    for name in [".hidden", ".INSTALL/x", ".d/"] {
        assert!(refused(&package().file(name, "")).contains("no metadata"), "{name}");
    }
    assert!(refused(&package().symlink(".INSTALL", "/etc/passwd")).contains("no metadata"));
}

#[test]
fn nodes_fifos_and_places_of_the_kernel_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let refused = refused(&package().of_kind("usr/node", kind));
        assert!(refused.contains("which packages may not have"), "{refused}");
    }
    for name in ["dev/null", "proc/1", "sys/x", "run/x", "tmp/x", "dev", "tmp"] {
        assert!(refused(&package().file(name, "")).contains("anew at each boot"), "{name}");
    }
    assert!(refused(&package().directory("proc/x/", 0o755)).contains("anew at each boot"));
    let places = ["dev/", "proc/", "sys/", "run/", "run/lock/", "tmp/"];
    let honest = places.iter().fold(package(), |package, place| package.directory(place, 0o755));
    assert_eq!(read(&honest).unwrap().members.len(), places.len());
}

#[test]
fn what_another_reader_could_read_otherwise_is_refused() {
    for kind in [EntryType::Link, EntryType::Symlink, EntryType::Directory] {
        let hidden = header(kind, "usr/x", "usr/file", 512);
        let refused = refused(&package().file("usr/file", "").raw(hidden, b""));
        assert!(refused.contains("says that it has content"), "{refused}");
    }
    let said = [
        package().pax(&[("path", "usr/a")]).pax(&[("uid", "1")]),
        package().pax(&[("path", "usr/a"), ("path", "usr/b")]),
        package().pax(&[("size", "0"), ("size", "512")]),
        package()
            .raw(header(EntryType::GNULongName, "x", "", 5), b"usr/a")
            .pax(&[("path", "usr/b")]),
        package()
            .pax(&[("path", "usr/b")])
            .raw(header(EntryType::GNULongName, "x", "", 5), b"usr/a"),
    ];
    for package in said {
        let refused = refused(&package.file("usr/file", ""));
        assert!(refused.contains("said twice of one member"), "{refused}");
    }
}

#[test]
fn a_path_that_is_there_twice_is_refused() {
    let twice = package().symlink("usr/x", "/etc").file("usr/x", "");
    assert_eq!(refused(&twice), "member `/usr/x` is there twice");
    let twice = package().file(".PKGINFO", "pkgname = b");
    assert!(refused(&twice).contains("twice") || refused(&twice).contains(".PKGINFO"));
}

#[test]
fn a_package_under_another_name_or_of_no_form_is_refused() {
    let bytes = package().bytes_for_arch(INFO);
    let named = |name: &str| match ArchPackage::read(name, &bytes[..]) {
        Ok(_) => panic!("{name} was not refused"),
        Err(error) => error.source().unwrap().to_string(),
    };
    assert_eq!(named("b-1:2-3-any.pkg.tar"), "it is the package `a-1:2-3-any`");
    assert_eq!(named("a-1:2-4-any.pkg.tar"), "it is the package `a-1:2-3-any`");
    assert_eq!(named("a-1:2-3-x86_64.pkg.tar"), "it is the package `a-1:2-3-any`");
    assert!(named("a-1:2-3-any.zip").contains("no Arch package"));
    assert!(named("../a-1:2-3-any.pkg.tar").contains("no Arch package"));
    assert!(named("a-1:2-3-any.pkg.tar.lz4").contains("neither gz, xz, zst"));
    let cut = &bytes[..bytes.len() - 1024];
    assert!(ArchPackage::read("a-1:2-3-any.pkg.tar", cut).is_err());
    let late = package().file("usr/x", "").bytes_for_arch("");
    assert!(ArchPackage::read("a-1:2-3-any.pkg.tar", &late[..]).is_err());
}

#[test]
fn a_member_behind_a_link_of_any_package_is_refused() {
    let named = |name: &str, package: Deb| {
        let info = INFO.replace("pkgname = a", &format!("pkgname = {name}"));
        let bytes = package.bytes_for_arch(&info);
        ArchPackage::read(&format!("{name}-1:2-3-any.pkg.tar"), &bytes[..]).unwrap()
    };
    let link = named("link", package().symlink("usr/lib64", "lib").directory("etc/", 0o755));
    let behind = named("behind", package().file("usr/lib64/deep/x", ""));
    let beside = named("beside", package().file("usr/lib/x", "").file("usr/lib64x", ""));
    for packages in [[&link, &behind], [&behind, &link]] {
        let error = check_links(packages).unwrap_err();
        assert_eq!(error.package, "behind-1:2-3");
        assert_eq!(
            error.cause.to_string(),
            "member `/usr/lib64/deep/x` lies behind the symbolic link `/usr/lib64`"
        );
    }
    assert!(check_links([&link, &beside]).is_ok());
    let own = named("own", package().symlink("usr/d", "/etc").file("usr/d/passwd", ""));
    assert!(check_links([&own]).is_err());
    let file = named("file", package().file("etc", ""));
    assert!(check_links([&file, &named("x", package().file("etc/x", ""))]).is_err());
}
