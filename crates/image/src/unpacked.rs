//! A tree's archive as files in a directory of the job's own.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rootfs::tarball::{Header, Kind};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};

use crate::{Error, Result};

/// No name of a member is longer: with the path of the tree it has to fit into the kernel's 4,096.
const LONGEST: usize = 3800;

/// An unpacked tree. Nothing that is laid can leave it: a member's directory has to be one that
/// was laid, so no part of a path is a link or leads upwards.
pub(crate) struct Unpacked {
    root: PathBuf,
    /// The directories, the root among them. They get their owners, modes, times and attributes
    /// last: what is laid into a directory changes its time, and inherits its access control list.
    directories: BTreeMap<Vec<u8>, Header>,
    files: HashSet<Vec<u8>>,
}

impl Unpacked {
    /// An empty tree in the new directory `root`.
    pub(crate) fn create(root: &Path) -> Result<Self> {
        fs::create_dir(root).map_err(Error::io("make", root))?;
        let header = Header::new("", Kind::Directory, 0o755, 0);
        let directories = BTreeMap::from([(Vec::new(), header)]);
        Ok(Self { root: root.to_owned(), directories, files: HashSet::new() })
    }

    /// Lays one member.
    pub(crate) fn lay(&mut self, header: Header, content: &mut dyn Read) -> Result<()> {
        if header.path.is_empty() && header.kind == Kind::Directory {
            self.directories.insert(Vec::new(), header);
            return Ok(());
        }
        let place = self.place(&header)?;
        let io = Error::io("lay", &place);
        match &header.kind {
            Kind::Directory => {
                fs::create_dir(&place).map_err(io)?;
                self.directories.insert(header.path.clone(), header);
                return Ok(());
            }
            Kind::HardLink(target) => {
                if !self.files.contains(target) {
                    return Err(unfit(
                        &header,
                        "it is a hard link to a file that is not before it",
                    ));
                }
                let target = self.root.join(OsStr::from_bytes(target));
                return fs::hard_link(target, &place).map_err(io);
            }
            Kind::Symlink(target) => {
                std::os::unix::fs::symlink(OsStr::from_bytes(target), &place).map_err(io)?;
            }
            Kind::File(_) => {
                let mut options = OpenOptions::new();
                let file = options.write(true).create_new(true).mode(0o600).open(&place);
                file.and_then(|mut file| io::copy(content, &mut file)).map_err(io)?;
                self.files.insert(header.path.clone());
            }
        }
        dress(&place, &header)
    }

    /// Gives the directories what they have, the deepest first.
    pub(crate) fn settle(self) -> Result<()> {
        for header in self.directories.values().rev() {
            dress(&self.root.join(OsStr::from_bytes(&header.path)), header)?;
        }
        Ok(())
    }

    /// Where a member is laid.
    fn place(&self, header: &Header) -> Result<PathBuf> {
        let path = header.path.as_slice();
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = slash.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
        // An absolute path has the root's name as its directory, and would replace the tree's.
        if path.starts_with(b"/") || !self.directories.contains_key(parent) {
            return Err(unfit(header, "its directory is not before it"));
        }
        if matches!(name, b"" | b"." | b"..") || name.contains(&0) || path.len() > LONGEST {
            return Err(unfit(header, "no file can have this name"));
        }
        Ok(self.root.join(OsStr::from_bytes(path)))
    }
}

/// Gives what was laid its owner, mode, attributes and times.
fn dress(place: &Path, header: &Header) -> Result<()> {
    let io = || Error::io("lay", place);
    // This order: a change of owner takes set-id bits and capabilities away, a change of mode
    // changes an access control list.
    std::os::unix::fs::lchown(place, Some(header.uid), Some(header.gid)).map_err(io())?;
    if !matches!(header.kind, Kind::Symlink(_)) {
        fs::set_permissions(place, fs::Permissions::from_mode(header.mode)).map_err(io())?;
    }
    set_attributes(place, header)?;
    let time = Timespec { tv_sec: header.mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| io()(error.into()))
}

/// Sets a file's attributes so that they are listed in one order everywhere: access control lists
/// first, then by name from the last. A tmpfs has that order by itself since Linux 6.2; ext4, and
/// a tmpfs before, list them as they came, from the first or from the last.
fn set_attributes(place: &Path, header: &Header) -> Result<()> {
    let names = header.xattrs.keys().map(String::as_str);
    let (mut names, others): (Vec<_>, Vec<_>) =
        names.partition(|name| name.starts_with("system.posix_acl_"));
    names.extend(others.into_iter().rev());
    set(place, header, names.iter())?;
    if listed(place)? == names {
        return Ok(());
    }
    for name in &names {
        rustix::fs::lremovexattr(place, *name).map_err(attribute(header, name))?;
    }
    set(place, header, names.iter().rev())?;
    let found = listed(place)?;
    if found == names {
        return Ok(());
    }
    let why = format!(
        "its extended attributes are `{}`, where it is unpacked they are `{}`",
        names.join(" "),
        found.join(" ")
    );
    Err(unfit(header, &why))
}

fn set<'n>(place: &Path, header: &Header, names: impl Iterator<Item = &'n &'n str>) -> Result<()> {
    for name in names {
        let value = header.xattrs.get(*name).map(Vec::as_slice).unwrap_or_default();
        rustix::fs::lsetxattr(place, *name, value, XattrFlags::empty())
            .map_err(attribute(header, name))?;
    }
    Ok(())
}

/// The names of the attributes that mkfs.erofs will see, in the order in which it will.
fn listed(place: &Path) -> Result<Vec<String>> {
    let io = |error: rustix::io::Errno| Error::io("look at", place)(error.into());
    let mut names = match rustix::fs::llistxattr_query(place) {
        Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Ok(size) => vec![0; size],
        Err(error) => return Err(io(error)),
    };
    let size = rustix::fs::llistxattr(place, &mut names[..]).map_err(io)?;
    let names = names[..size].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

fn attribute(header: &Header, name: &str) -> impl FnOnce(rustix::io::Errno) -> Error {
    let (member, name) = (header.shown(), name.to_owned());
    move |error| Error::Attribute { member, name, source: error.into() }
}

fn unfit(header: &Header, why: &str) -> Error {
    Error::Unfit { member: header.shown(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// A member that belongs to who runs the test.
    fn own(path: &str, kind: Kind, mode: u32) -> Header {
        let mut header = Header::new(path, kind, mode, 7);
        header.uid = rustix::process::geteuid().as_raw();
        header.gid = rustix::process::getegid().as_raw();
        header
    }

    fn lay(members: Vec<Header>) -> (tempfile::TempDir, Result<()>) {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = Unpacked::create(&dir.path().join("tree")).unwrap();
        let mut members = members.into_iter();
        let laid = members.try_for_each(|header| tree.lay(header, &mut &b"content"[..]));
        let settled = laid.and_then(|()| tree.settle());
        (dir, settled)
    }

    #[test]
    fn a_tree_is_laid_with_all_that_its_archive_says() {
        let (dir, result) = lay(vec![
            own("", Kind::Directory, 0o711),
            own("a", Kind::Directory, 0o555),
            own("a/b", Kind::File(7), 0o4640),
            own("a/c", Kind::HardLink("a/b".into()), 0o4640),
            own("a/d", Kind::Symlink("/etc/passwd".into()), 0o777),
        ]);
        result.unwrap();
        let look = |path: &str| fs::symlink_metadata(dir.path().join("tree").join(path)).unwrap();
        for (path, mode) in
            [("", 0o40_711), ("a", 0o40_555), ("a/b", 0o104_640), ("a/c", 0o104_640)]
        {
            assert_eq!((look(path).mode(), look(path).mtime()), (mode, 7), "{path}");
        }
        assert_eq!(look("a/b").ino(), look("a/c").ino());
        assert_eq!(look("a/d").mtime(), 7);
        assert_eq!(fs::read(dir.path().join("tree/a/c")).unwrap(), b"content");
    }

    #[test]
    fn attributes_are_listed_in_one_order_whatever_order_they_came_in() {
        let mut header = own("a", Kind::File(7), 0o644);
        for name in ["user.b", "user.a", "user.c"] {
            header.xattrs.insert(name.into(), b"1".into());
        }
        let (dir, result) = lay(vec![own("", Kind::Directory, 0o755), header]);
        match result {
            Ok(()) => assert_eq!(
                listed(&dir.path().join("tree/a")).unwrap(),
                ["user.c", "user.b", "user.a"]
            ),
            // Some file systems have none, some an order of their own: both are told.
            Err(error) => {
                let told = matches!(error, Error::Attribute { .. } | Error::Unfit { .. });
                assert!(told && error.hint().is_some(), "{error:?}");
            }
        }
    }

    #[test]
    fn members_that_lead_out_of_the_tree_are_refused() {
        let link = || own("link", Kind::Symlink("/tmp".into()), 0o777);
        let file = |path: &str| own(path, Kind::File(7), 0o644);
        for hostile in [
            vec![file("../out")],
            vec![file("/heirloom-test-out")],
            vec![file("..")],
            vec![file("")],
            vec![file(".")],
            vec![file("missing/out")],
            vec![file("a"), file("a")],
            vec![file("a"), file("a/b")],
            vec![link(), file("link/out")],
            vec![link(), file("link")],
            vec![own("dir", Kind::Directory, 0o755), file("dir/../out")],
            vec![own("dir", Kind::Directory, 0o755), file("dir//out")],
            vec![link(), own("hard", Kind::HardLink("link".into()), 0o644)],
            vec![own("hard", Kind::HardLink("/etc/passwd".into()), 0o644)],
            vec![own("hard", Kind::HardLink("../out".into()), 0o644)],
            vec![file(&"long".repeat(1000))],
        ] {
            let named = format!("{hostile:?}");
            let (dir, result) = lay(hostile);
            assert!(result.is_err(), "{named}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{named}");
        }
    }
}
