//! That honest packages come out as they went in, however many threads there are.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::build::Deb;
use unpack::{Cause, Control, Error, Kind, Options, Owners, Package, Relations, Tree};

fn unpack_into(
    tree: &Path,
    debs: &[Deb],
    threads: usize,
    replaces: impl Fn(&Control, &Control) -> bool,
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
    let precedes = |one: &Control, other: &Control| {
        let after = other.field("Depends").unwrap_or_default();
        after == one.package()
    };
    let relations = Relations { replaces: &replaces, precedes: &precedes };
    unpack::packages(&files, &tree, &options, threads, &relations)
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

/// Every order of `count` things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let insert = |order: Vec<usize>| {
        (0..count).map(move |at| {
            let mut longer = order.clone();
            longer.insert(at, count - 1);
            longer
        })
    };
    orders(count - 1).into_iter().flat_map(insert).collect()
}

/// Unpacks the same packages, in the same order of the lock, in every order in which threads can
/// come to them, and with several threads; gives what became of the tree each time.
fn in_any_order<T>(
    debs: &[Deb],
    replaces: impl Fn(&Control, &Control) -> bool + Copy,
    look: impl Fn(&Path, Result<Vec<Package>, Error>) -> T,
) -> Vec<T> {
    let unpack = |debs: &[Deb], threads: usize| {
        let tree = tempfile::tempdir().unwrap();
        let result = unpack_into(tree.path(), debs, threads, replaces);
        look(tree.path(), result)
    };
    let mut looks = Vec::new();
    for order in orders(debs.len()) {
        let mut sized = debs.to_vec();
        // The largest is laid first.
        for (at, index) in order.iter().enumerate() {
            let padding = "x".repeat((debs.len() - at) * 20_000);
            let path = format!("./usr/share/padding/{index}");
            sized[*index] = sized[*index].clone().file(&path, &padding);
        }
        looks.push(unpack(&sized, 1));
        looks.push(unpack(&sized, debs.len()));
    }
    looks
}

/// Members of a package, without what [`in_any_order`] adds.
fn places(packages: &[Package], name: &str) -> Vec<String> {
    let package = packages.iter().find(|package| package.control.package() == name).unwrap();
    let places = package.members.iter().map(|laid| laid.place.to_str().unwrap().to_owned());
    places.filter(|place| !place.contains("padding")).collect()
}

/// Replaces whatever its field names.
fn replaces(one: &Control, other: &Control) -> bool {
    let field = one.field("Replaces").unwrap_or_default();
    field.split(", ").any(|name| name == other.package())
}

#[test]
fn a_package_that_replaces_another_has_the_path_in_any_order() {
    let old = Deb::new("old").file("./usr/share/x", "old").file("./usr/share/old", "old");
    let new = Deb::new("new").field("Replaces: old").file("./usr/share/x", "new");
    for debs in [[old.clone(), new.clone()], [new, old]] {
        in_any_order(&debs, replaces, |tree, packages| {
            let packages = packages.unwrap();
            assert_eq!(fs::read_to_string(tree.join("usr/share/x")).unwrap(), "new");
            assert_eq!(places(&packages, "old"), ["usr/share/old"]);
            assert_eq!(places(&packages, "new"), ["usr/share/x"]);
        });
    }
}

#[test]
fn a_hard_link_keeps_its_content_when_its_file_is_replaced() {
    let debs = [
        Deb::new("old")
            .file("./etc/x", "old")
            .hard_link("./etc/y", "./etc/x")
            .file("./etc/a", "old a")
            .hard_link("./etc/b", "./etc/a")
            .symlink("./etc/s", "old"),
        Deb::new("new")
            .field("Replaces: old")
            .file("./etc/x", "new")
            .file("./etc/b", "new b")
            .symlink("./etc/s", "new"),
    ];
    in_any_order(&debs, replaces, |tree, packages| {
        let packages = packages.unwrap();
        let text = |name: &str| fs::read_to_string(tree.join("etc").join(name)).unwrap();
        let texts = ["x", "y", "a", "b"].map(text);
        assert_eq!(texts, ["new", "old", "old a", "new b"]);
        for name in ["x", "y", "a", "b"] {
            assert_eq!(tree.join("etc").join(name).metadata().unwrap().nlink(), 1, "{name}");
        }
        assert_eq!(fs::read_link(tree.join("etc/s")).unwrap(), Path::new("new"));
        assert_eq!(places(&packages, "old"), ["etc/y", "etc/a"]);
        assert_eq!(places(&packages, "new"), ["etc/x", "etc/b", "etc/s"]);
        let mut names: Vec<_> = fs::read_dir(tree)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["bin", "etc", "lib", "sbin", "usr"], "something was left behind");
    });
}

#[test]
fn a_path_of_three_packages_is_the_same_ones_in_any_order() {
    let of = |name: &str, field: &str| Deb::new(name).field(field).file("./etc/x", name);
    let debs =
        [of("one", "Section: x"), of("two", "Replaces: one"), of("all", "Replaces: one, two")];
    in_any_order(&debs, replaces, |tree, packages| {
        let packages = packages.unwrap();
        assert_eq!(fs::read_to_string(tree.join("etc/x")).unwrap(), "all");
        let counts = ["one", "two", "all"].map(|name| places(&packages, name).len());
        assert_eq!(counts, [0, 0, 1]);
    });
    // The third replaces the second, which replaces the first: nothing is said of third and first.
    let debs = [of("one", "Section: x"), of("two", "Replaces: one"), of("three", "Replaces: two")];
    let errors = in_any_order(&debs, replaces, |_, packages| {
        let error = packages.unwrap_err();
        format!("{error}: {}", error.cause)
    });
    for error in errors {
        assert_eq!(error, "cannot unpack three 1.0: `/etc/x` is also in one 1.0");
    }
}

#[test]
fn a_directory_of_an_earlier_package_stays_in_any_order_of_threads() {
    let link = |name: &str| {
        Deb::new(name).field("Depends: library").symlink("./usr/share/x", "../elsewhere")
    };
    let library =
        Deb::new("library").directory("./usr/share/x/", 0o750).file("./usr/share/x/y", "");
    for debs in [[link("a"), link("b"), library.clone()], [library, link("a"), link("b")]] {
        in_any_order(
            &debs,
            |_, _| false,
            |tree, packages| {
                let packages = packages.unwrap();
                let found = tree.join("usr/share/x").symlink_metadata().unwrap();
                assert!(found.is_dir());
                assert_eq!(found.mode() & 0o070, if is_root() { 0o050 } else { 0 });
                for name in ["a", "b"] {
                    assert_eq!(places(&packages, name), ["usr/share/x"], "its list has it");
                }
            },
        );
    }
}

#[test]
fn a_link_before_a_directory_or_beside_a_file_there_is_refused_in_any_order_of_threads() {
    let refused = |debs: [Deb; 2], member: &str| {
        let look = |_: &Path, packages: Result<Vec<Package>, Error>| packages.unwrap_err().cause;
        for cause in in_any_order(&debs, |_, _| false, look) {
            assert!(
                matches!(&*cause, Cause::BehindLink { member: it, link }
                    if it == member && link == "/usr/share/x"),
                "{cause}"
            );
        }
    };
    let library = Deb::new("library").file("./usr/share/x/y", "");
    let link = |name: &str| Deb::new(name).symlink("./usr/share/x", "../elsewhere");
    refused([link("link"), library.clone().field("Depends: link")], "/usr/share/x/y");
    let own = link("own").field("Depends: library").file("./usr/share/x/own", "");
    refused([own, library], "/usr/share/x/own");
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
