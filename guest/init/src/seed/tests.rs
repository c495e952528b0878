//! A tree of all that an image may hold, and its copy, as lstat(2) and the like see both.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use super::*;

/// All that can be told of a path but where it lies and when it was read.
#[derive(Debug, PartialEq)]
struct Seen {
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    links: u64,
    device: u64,
    size: u64,
    content: Vec<u8>,
    attributes: BTreeMap<CString, Vec<u8>>,
}

fn seen(path: &Path) -> Seen {
    let found = fs::symlink_metadata(path).unwrap();
    let (kind, directory) = (found.file_type(), found.is_dir());
    let content = match () {
        () if kind.is_file() => fs::read(path).unwrap(),
        () if kind.is_symlink() => fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec(),
        () => Vec::new(),
    };
    let value = |name: CString| (name.clone(), value(path, &name).unwrap());
    Seen {
        mode: found.mode(),
        owner: (found.uid(), found.gid()),
        modified: (found.mtime(), found.mtime_nsec()),
        links: found.nlink(),
        device: found.rdev(),
        size: if directory { 0 } else { found.size() },
        content,
        attributes: list(path).unwrap().into_iter().map(value).collect(),
    }
}

/// Every path below `root`, and `root` as the empty one.
fn all(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut found = BTreeMap::from([(PathBuf::new(), seen(root))]);
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.strip_prefix(root).unwrap().to_owned(), seen(&path));
            if path.is_dir() && !path.is_symlink() {
                directories.push(path);
            }
        }
    }
    found
}

struct Trees {
    temporary: tempfile::TempDir,
    image: OwnedFd,
    parent: OwnedFd,
}

impl Trees {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let open = |name| {
            fs::create_dir(temporary.path().join(name)).unwrap();
            fs::File::open(temporary.path().join(name)).unwrap().into()
        };
        let (image, parent) = (open("image"), open("state"));
        Self { temporary, image, parent }
    }

    fn image(&self, path: &str) -> PathBuf {
        self.temporary.path().join("image").join(path)
    }

    fn state(&self, path: &str) -> PathBuf {
        self.temporary.path().join("state").join(path)
    }

    fn seed<'a>(&'a self, from: &'a str) -> Seed<'a> {
        let (from, to) = (Path::new(from), Path::new("copy"));
        Seed { image: &self.image, from, parent: &self.parent, to }
    }

    fn copy(&self, from: &str) {
        self.seed(from).copy(true, &mut || {}).unwrap();
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Sets an attribute where the filesystem of the test has such ones.
fn attribute(path: &Path, name: &str, value: &[u8]) {
    match lsetxattr(path, name, value, XattrFlags::empty()) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
        Err(errno) => panic!("{name}: {errno}"),
    }
}

fn dated(path: &Path, seconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: 123_456_789 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(rustix::fs::CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

#[test]
fn owners_modes_times_links_and_attributes_are_the_images() {
    let trees = Trees::new();
    let place = |path: &str| trees.image(&format!("srv/place/{path}"));
    fs::create_dir_all(place("inner/empty")).unwrap();
    fs::write(place("program"), "run me").unwrap();
    fs::write(place("inner/first"), "one inode").unwrap();
    fs::hard_link(place("inner/first"), place("second name")).unwrap();
    symlink("/etc/passwd", place("absolute")).unwrap();
    symlink("inner", place("to a directory")).unwrap();
    fs::write(place("inner").join(OsStr::from_bytes(b"latin \xe9")), "no UTF-8").unwrap();
    let directory = OwnedFd::from(fs::File::open(place("")).unwrap());
    mknodat(&directory, "fifo", FileType::Fifo, Mode::from_raw_mode(0o622), 0).unwrap();
    let _listener = UnixListener::bind(place("socket")).unwrap();
    for (path, value) in [("program", &b"a value"[..]), ("inner", b""), ("", b"\0\xff")] {
        attribute(&place(path), "user.test", value);
    }
    // acl(5), uapi/linux/posix_acl_xattr.h: version 2; owner, user 7, group, mask, others.
    let entry = |tag: u16, permissions: u16, id: u32| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let entries =
        [entry(1, 7, !0), entry(2, 6, 7), entry(4, 5, !0), entry(16, 7, !0), entry(32, 0, !0)];
    let acl = [&2u32.to_le_bytes()[..], &entries.concat()].concat();
    attribute(&place("inner"), "system.posix_acl_default", &acl);
    attribute(&place("inner/first"), "system.posix_acl_access", &acl);
    if rustix::process::geteuid().is_root() {
        mknodat(&directory, "null", FileType::CharacterDevice, Mode::from_raw_mode(0o666), 0x103)
            .unwrap();
        for (path, owner) in [("program", 1234), ("inner", 65_534), ("absolute", 5)] {
            std::os::unix::fs::lchown(place(path), Some(owner), Some(owner + 1)).unwrap();
        }
        // linux/capability.h: version 2, effective, net_bind_service.
        let words = [0x0200_0001u32, 1 << 10, 0, 0, 0].map(u32::to_le_bytes);
        attribute(&place("program"), "security.capability", &words.concat());
    }
    set_mode(&place("program"), 0o6755);
    set_mode(&place("inner"), 0o3770);
    for path in ["program", "inner/first", "absolute", "inner/empty", "inner", "fifo", ""] {
        dated(&place(path), 1_000_000_000);
    }
    if rustix::process::geteuid().is_root() {
        // The mode took the capabilities of a set-id program; a copy has what the original has.
        let words = [0x0200_0001u32, 1 << 10, 0, 0, 0].map(u32::to_le_bytes);
        attribute(&place("program"), "security.capability", &words.concat());
    }

    trees.copy("srv/place");
    let (original, copy) = (all(&trees.image("srv/place")), all(&trees.state("copy")));
    assert!(original.len() > 10);
    for (path, seen) in &original {
        assert_eq!(copy.get(path), Some(seen), "{}", path.display());
    }
    assert_eq!(original.len(), copy.len());
    let inode = |path| fs::metadata(trees.state(path)).unwrap().ino();
    assert_eq!(inode("copy/inner/first"), inode("copy/second name"));
}

#[test]
fn a_file_is_copied_as_a_tree_is() {
    let trees = Trees::new();
    fs::create_dir(trees.image("etc")).unwrap();
    fs::write(trees.image("etc/machine-id"), "uninitialized\n").unwrap();
    set_mode(&trees.image("etc/machine-id"), 0o444);
    dated(&trees.image("etc/machine-id"), 5);
    trees.copy("etc/machine-id");
    assert_eq!(seen(&trees.state("copy")), seen(&trees.image("etc/machine-id")));
}

#[test]
fn holes_stay_and_cost_no_room() {
    let trees = Trees::new();
    let sparse = fs::File::create(trees.image("sparse")).unwrap();
    sparse.write_all_at(b"begin", 0).unwrap();
    sparse.write_all_at(b"middle", 5 << 20).unwrap();
    sparse.set_len(40 << 20).unwrap();
    assert!(trees.seed("sparse").size(&mut || {}).unwrap() < 1 << 20);
    trees.copy("sparse");
    let copy = fs::metadata(trees.state("copy")).unwrap();
    assert!(copy.blocks() * 512 < 1 << 20, "{} blocks", copy.blocks());
    let same = fs::read(trees.state("copy")).unwrap() == fs::read(trees.image("sparse")).unwrap();
    assert!(same);
}

#[test]
fn the_size_is_enough_and_counts_an_inode_once() {
    let trees = Trees::new();
    fs::create_dir(trees.image("d")).unwrap();
    fs::write(trees.image("d/one"), vec![1; 1 << 20]).unwrap();
    fs::File::open(trees.image("d/one")).unwrap().sync_all().unwrap();
    let size = || trees.seed("d").size(&mut || {}).unwrap();
    let alone = size();
    assert!((1 << 20..(1 << 20) + 5 * INODE).contains(&alone), "{alone}");
    fs::hard_link(trees.image("d/one"), trees.image("d/two")).unwrap();
    assert_eq!(size(), alone + INODE);
}

#[test]
fn a_sign_of_life_is_given_at_each_step() {
    let trees = Trees::new();
    fs::create_dir(trees.image("d")).unwrap();
    fs::write(trees.image("d/large"), vec![1; 1 << 20]).unwrap();
    let mut signs = 0;
    trees.seed("d").copy(true, &mut || signs += 1).unwrap();
    assert!(signs >= 10, "{signs}");
}

#[test]
fn what_cannot_be_copied_is_named() {
    let trees = Trees::new();
    fs::create_dir_all(trees.image("d/inner")).unwrap();
    fs::create_dir_all(trees.state("copy/inner")).unwrap();
    let error = trees.seed("d").copy(true, &mut || {}).unwrap_err();
    assert_eq!(error.to_string(), "File exists (os error 17)");
    let error = trees.seed("d/gone").size(&mut || {}).unwrap_err();
    assert_eq!(error.to_string(), "No such file or directory (os error 2)");
    let failed = Failed { path: "a/b".into(), source: io::Error::other("why") };
    assert_eq!(failed.to_string(), "a/b: why");
}
