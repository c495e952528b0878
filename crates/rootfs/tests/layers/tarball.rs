//! The canonical form, and renumbering.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use rootfs::ids::Renumbering;
use rootfs::tarball::{Header, Kind, Writer, find, read, renumber, walk};

type Tree = Vec<(Header, Vec<u8>)>;

fn write(tree: &[(Header, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (header, content) in tree {
        writer.append(header, &mut content.as_slice()).unwrap();
    }
    writer.finish().unwrap()
}

fn read_back(archive: &[u8]) -> Tree {
    let mut tree = Vec::new();
    read(archive, |header, content| -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        tree.push((header, bytes));
        Ok(())
    })
    .unwrap();
    tree
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof!["[a-zA-Z0-9._ü=-]{1,12}", "[a-z]{80,140}"]
        .prop_filter("no dots alone", |part| part != "." && part != "..");
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/").into_bytes())
}

fn header() -> impl Strategy<Value = (Header, Vec<u8>)> {
    let kind = prop_oneof![
        Just(Kind::Directory),
        prop::collection::vec(any::<u8>(), 0..1500)
            .prop_map(|bytes| Kind::File(bytes.len() as u64)),
        "[a-z/.]{1,200}".prop_map(|target| Kind::Symlink(target.into_bytes())),
        path().prop_map(Kind::HardLink),
    ];
    let id = || prop_oneof![0..1000_u32, any::<u32>()];
    let time = prop_oneof![0..2_000_000_000_i64, any::<i32>().prop_map(i64::from), Just(1 << 40)];
    let xattrs = prop::collection::btree_map(
        "user\\.[a-z]{1,10}",
        prop::collection::vec(any::<u8>(), 0..40),
        0..3,
    );
    (path(), kind, 0..0o10000_u32, id(), id(), time, xattrs, any::<u8>()).prop_map(
        |(path, kind, mode, uid, gid, mtime, xattrs, byte)| {
            let header = Header { path, kind, mode, uid, gid, mtime, xattrs };
            let content = vec![byte; header.size() as usize];
            (header, content)
        },
    )
}

fn tree() -> impl Strategy<Value = Tree> {
    prop::collection::vec(header(), 0..12).prop_map(|entries| {
        let by_path: BTreeMap<Vec<u8>, _> =
            entries.into_iter().map(|entry| (entry.0.path.clone(), entry)).collect();
        by_path.into_values().collect()
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read_and_written_again_the_same(tree in tree()) {
        let archive = write(&tree);
        let back = read_back(&archive);
        prop_assert_eq!(&back, &tree);
        prop_assert_eq!(write(&back), archive);
    }

    #[test]
    fn two_trees_have_one_archive_only_if_they_are_equal(one in tree(), other in tree()) {
        prop_assert_eq!(write(&one) == write(&other), one == other);
    }

    #[test]
    fn renumbering_changes_ids_and_nothing_else(
        tree in tree(),
        users in prop::collection::btree_map(0..1000_u32, 0..1000_u32, 0..20),
        groups in prop::collection::btree_map(0..1000_u32, 0..1000_u32, 0..20),
    ) {
        let renumbering = Renumbering::new(users, groups);
        let archive = renumber(write(&tree).as_slice(), Vec::new(), &renumbering).unwrap();
        let mut expected = tree;
        for (header, _) in &mut expected {
            header.uid = renumbering.user(header.uid);
            header.gid = renumbering.group(header.gid);
        }
        prop_assert_eq!(read_back(&archive), expected);
    }

    #[test]
    fn a_permutation_and_its_inverse_give_the_archive_back(tree in tree(), shift in 1..900_u32) {
        let there = (0..1000_u32).map(|id| (id, (id + shift) % 1000));
        let back = (0..1000_u32).map(|id| ((id + shift) % 1000, id));
        let there = Renumbering::new(there.clone(), there);
        let back = Renumbering::new(back.clone(), back);
        let archive = write(&tree);
        let moved = renumber(archive.as_slice(), Vec::new(), &there).unwrap();
        prop_assert_eq!(renumber(moved.as_slice(), Vec::new(), &back).unwrap(), archive);
    }
}

#[test]
fn renumbering_rewrites_accounts_and_access_lists() {
    let passwd = b"root:x:0:0::/root:/bin/sh\npostfix:x:101:108::/var/spool/postfix:/bin/false\n";
    let group = b"root:x:0:\npostdrop:x:108:postfix\n";
    // Version 2; the owner; user 101 and group 108 with rwx; as acl(5) and posix_acl_xattr.h.
    let acl = |user: u8, group: u8| {
        let mut list = 2_u32.to_le_bytes().to_vec();
        list.extend([1, 0, 7, 0, 255, 255, 255, 255]);
        list.extend([2, 0, 7, 0, user, 0, 0, 0]);
        list.extend([8, 0, 7, 0, group, 0, 0, 0]);
        list
    };
    let file = |path: &str, bytes: &[u8]| {
        (Header::new(path, Kind::File(bytes.len() as u64), 0o644, 0), bytes.to_vec())
    };
    let mut spool = Header::new("var/spool", Kind::Directory, 0o755, 0);
    spool.xattrs.insert("system.posix_acl_access".to_owned(), acl(101, 108));
    let tree = [file("etc/group", group), file("etc/passwd", passwd), (spool, vec![])];
    let renumbering = Renumbering::new([(101, 120)], [(108, 121)]);
    let back = read_back(&renumber(write(&tree).as_slice(), Vec::new(), &renumbering).unwrap());
    assert_eq!(back[0].1, b"root:x:0:\npostdrop:x:121:postfix\n");
    let text = String::from_utf8(back[1].1.clone()).unwrap();
    assert!(text.contains("postfix:x:120:121:"), "{text}");
    assert_eq!(back[2].0.xattrs["system.posix_acl_access"], acl(120, 121));
}

#[test]
fn paths_out_of_order_and_short_content_are_refused() {
    let mut writer = Writer::new(Vec::new());
    let header = |path: &str| Header::new(path, Kind::File(2), 0o644, 0);
    writer.append(&header("b"), &mut &b"xx"[..]).unwrap();
    assert!(writer.append(&header("a"), &mut &b"xx"[..]).is_err());
    assert!(writer.append(&header("b"), &mut &b"xx"[..]).is_err());
    assert!(writer.append(&header("c"), &mut &b"x"[..]).is_err());
}

#[test]
fn an_archive_that_is_cut_off_or_altered_does_not_panic() {
    let tree = [(Header::new("x", Kind::File(700), 0o644, 0), vec![7; 700])];
    let archive = write(&tree);
    for at in 0..archive.len() {
        let mut altered = archive.clone();
        altered[at] ^= 0x55;
        for bytes in [&altered[..], &archive[..at]] {
            let _ = read(bytes, |_, content| io::copy(content, &mut io::sink()).map(drop));
        }
    }
}

fn build(root: &Path, names: &[&str]) {
    fs::create_dir_all(root.join("d/e")).unwrap();
    for name in names {
        fs::write(root.join(name), name).unwrap();
    }
    fs::hard_link(root.join("z"), root.join("d/first")).unwrap();
    symlink("/etc/passwd", root.join("d/link")).unwrap();
    for directory in ["", "d", "d/e"] {
        fs::set_permissions(root.join(directory), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_directory_is_walked_in_one_order_and_without_following_links() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    build(one.path(), &["z", "a", "d-e", "d/x"]);
    build(other.path(), &["d/x", "d-e", "a", "z"]);
    let headers = |root: &Path| -> Vec<Header> {
        let without_time = |header| Header { mtime: 0, ..header };
        walk(root).unwrap().into_iter().map(without_time).collect()
    };
    let walked = headers(one.path());
    assert_eq!(walked, headers(other.path()));
    let paths: Vec<_> =
        walked.iter().map(|header| std::str::from_utf8(&header.path).unwrap()).collect();
    assert_eq!(paths, ["", "a", "d", "d-e", "d/e", "d/first", "d/link", "d/x", "z"]);
    assert_eq!(walked[5].kind, Kind::File(1), "the first name is the file");
    assert_eq!(walked[8].kind, Kind::HardLink(b"d/first".to_vec()));
    assert_eq!(walked[6].kind, Kind::Symlink(b"/etc/passwd".to_vec()));

    let archive = one.path().join("archive");
    let tree: Tree = walked
        .into_iter()
        .map(|header| {
            let place = one.path().join(std::ffi::OsStr::from_bytes(&header.path));
            let content = if header.size() > 0 { fs::read(place).unwrap() } else { vec![] };
            (header, content)
        })
        .collect();
    fs::write(&archive, write(&tree)).unwrap();
    assert_eq!(find(&archive, b"z").unwrap().unwrap().1, b"z", "through the hard link");
    assert_eq!(find(&archive, b"a").unwrap().unwrap().1, b"a");
    assert_eq!(find(&archive, b"missing").unwrap(), None);
}

#[test]
fn a_socket_in_a_tree_is_an_error_that_names_it() {
    let root = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("s")).unwrap();
    assert!(walk(root.path()).unwrap_err().to_string().contains("/s is a socket"));
}
