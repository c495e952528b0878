//! That honest packages come out as they went in, however many threads there are.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::build::Deb;
use unpack::{Control, Error, Kind, Options, Owners, Package, Tree};

fn unpack_into(
    tree: &Path,
    debs: &[Deb],
    threads: usize,
    replaces: impl Fn(&Control, &Control) -> bool + Sync,
) -> Result<Vec<Package>, Error> {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = debs
        .iter()
        .enumerate()
        .map(|(number, deb)| deb.write(directory.path(), &format!("{number}.deb")))
        .collect();
    // Owners can be kept by root alone; everything else is the same for all.
    let owners = if is_root() { Owners::Keep } else { Owners::Ignore };
    let options = Options { owners, usr_merge: true };
    let tree = Tree::open(tree, &options).unwrap();
    unpack::packages(&files, &tree, &options, threads, replaces)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn every_compression_gives_the_same_tree() {
    for ending in ["", ".gz", ".xz", ".zst"] {
        let tree = tempfile::tempdir().unwrap();
        let deb = Deb::new("hello")
            .directory("./", 0o755)
            .directory("./bin/", 0o755)
            .file("./bin/hello", "#!/bin/sh\n")
            .hard_link("./bin/hello2", "./bin/hello")
            .symlink("./usr/share/link", "/etc/passwd")
            .compressed(ending);
        let packages = unpack_into(tree.path(), &[deb], 1, |_, _| false).unwrap();
        let listed: Vec<_> = packages[0]
            .members
            .iter()
            .map(|laid| String::from_utf8(laid.listed.clone()).unwrap())
            .collect();
        assert_eq!(listed, ["/.", "/bin", "/bin/hello", "/bin/hello2", "/usr/share/link"]);
        assert_eq!(packages[0].members[2].place, Path::new("usr/bin/hello"));
        assert_eq!(packages[0].members[3].kind, Kind::HardLink("usr/bin/hello".into()));
        let root = tree.path();
        assert_eq!(fs::read_to_string(root.join("bin/hello2")).unwrap(), "#!/bin/sh\n");
        assert_eq!(fs::read_link(root.join("bin")).unwrap(), Path::new("usr/bin"));
        assert_eq!(fs::read_link(root.join("usr/share/link")).unwrap(), Path::new("/etc/passwd"));
        let metadata = root.join("usr/bin/hello").metadata().unwrap();
        assert_eq!((metadata.nlink(), metadata.mtime()), (2, 1_000_000_000));
    }
}

#[test]
fn owners_modes_and_attributes_are_kept() {
    if !is_root() {
        eprintln!(
            "owners can be kept by root alone: the package tree's tests do it in a namespace"
        );
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    let deb = Deb::new("su")
        .owned_file("./bin/su", "x", 12, 34, 0o4755)
        .pax(&[("SCHILY.xattr.user.note", "kept"), ("mtime", "1234567890.5")])
        .file("./etc/note", "x");
    unpack_into(tree.path(), &[deb], 1, |_, _| false).unwrap();
    let su = tree.path().join("usr/bin/su").metadata().unwrap();
    assert_eq!((su.uid(), su.gid(), su.mode() & 0o7777), (12, 34, 0o4755));
    let note = tree.path().join("etc/note");
    assert_eq!(note.metadata().unwrap().mtime(), 1_234_567_890);
    let mut value = [0; 16];
    let size = rustix::fs::getxattr(&note, "user.note", &mut value[..]).unwrap();
    assert_eq!(&value[..size], b"kept");
}

#[test]
fn a_package_that_replaces_another_has_the_path_in_any_order() {
    let old = Deb::new("old").file("./usr/share/x", "old").file("./usr/share/old", "old");
    let new = Deb::new("new").file("./usr/share/x", "new");
    let replaces =
        |one: &Control, other: &Control| one.package() == "new" && other.package() == "old";
    for debs in [[old.clone(), new.clone()], [new, old]] {
        for threads in [1, 2] {
            let tree = tempfile::tempdir().unwrap();
            let packages = unpack_into(tree.path(), &debs, threads, replaces).unwrap();
            assert_eq!(fs::read_to_string(tree.path().join("usr/share/x")).unwrap(), "new");
            let old = packages.iter().find(|p| p.control.package() == "old").unwrap();
            let places: Vec<_> = old.members.iter().map(|laid| laid.place.clone()).collect();
            assert_eq!(places, [Path::new("usr/share/old")]);
        }
    }
}

#[test]
fn one_package_for_two_architectures_shares_its_equal_files() {
    let control = |deb: Deb| {
        deb.field("Multi-Arch: same").control("md5sums", "9d37b73795649038  usr/share/doc/x\n")
    };
    let deb = control(Deb::new("libx")).file("./usr/share/doc/x", "same");
    let tree = tempfile::tempdir().unwrap();
    let packages = unpack_into(tree.path(), &[deb.clone(), deb], 2, |_, _| false).unwrap();
    assert!(packages.iter().all(|package| package.members.len() == 1));
    let other = Deb::new("libx")
        .field("Multi-Arch: same")
        .control("md5sums", "0000000000000000  usr/share/doc/x\n")
        .file("./usr/share/doc/x", "else");
    let deb = control(Deb::new("libx")).file("./usr/share/doc/x", "same");
    assert!(unpack_into(tree.path(), &[deb, other], 2, |_, _| false).is_err());
}

#[test]
fn the_first_package_decides_on_a_directory() {
    let debs = [
        Deb::new("base").directory("./tmp/", 0o1777),
        Deb::new("other").directory("./tmp/", 0o755).file("./tmp/x", "x"),
    ];
    for threads in [1, 2] {
        let tree = tempfile::tempdir().unwrap();
        unpack_into(tree.path(), &debs, threads, |_, _| false).unwrap();
        let mode = tree.path().join("tmp").metadata().unwrap().mode() & 0o777;
        assert_eq!(mode, 0o777);
    }
}

#[test]
fn links_of_a_merged_usr_may_come_from_a_package() {
    let tree = tempfile::tempdir().unwrap();
    let deb = Deb::new("base-files").symlink("./bin", "usr/bin").symlink("./lib64", "usr/lib64");
    unpack_into(tree.path(), &[deb], 1, |_, _| false).unwrap();
    assert_eq!(fs::read_link(tree.path().join("lib64")).unwrap(), Path::new("usr/lib64"));
    let tree = tempfile::tempdir().unwrap();
    let deb = Deb::new("evil").symlink("./bin", "/tmp");
    assert!(unpack_into(tree.path(), &[deb], 1, |_, _| false).is_err());
}

#[test]
fn conffiles_are_hashed_and_the_rest_where_there_are_no_sums() {
    let tree = tempfile::tempdir().unwrap();
    let debs = [
        Deb::new("with").control("md5sums", "").control("conffiles", "/etc/x\n"),
        Deb::new("without").file("./etc/z", "abc"),
    ];
    let debs = [debs[0].clone().file("./etc/x", "abc").file("./etc/y", "abc"), debs[1].clone()];
    let packages = unpack_into(tree.path(), &debs, 1, |_, _| false).unwrap();
    let sums: BTreeMap<_, _> = packages
        .iter()
        .flat_map(|package| &package.members)
        .map(|laid| (laid.place.to_str().unwrap(), laid.md5.map(|md5| md5[0])))
        .collect();
    // RFC 1321, appendix A.5: MD5 ("abc") = 900150983cd24fb0d6963f7d28e17f72.
    assert_eq!(sums, [("etc/x", Some(0x90)), ("etc/y", None), ("etc/z", Some(0x90))].into());
}
