//! The tree: an open directory that nothing laid through it can leave.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{Cause, Error};
use crate::laid::{Kind, Laid, Package};
use crate::{Options, Owners, name};

/// Where files lie until it is decided whose a path is. No member can come there: names with a new
/// line are refused.
const ASIDE: &str = "aside\n";

/// A directory that packages are laid into.
pub struct Tree {
    root: OwnedFd,
    /// The directories that were made since it was opened.
    made: Mutex<HashSet<PathBuf>>,
}

impl Tree {
    /// Opens a directory. With [`Options::usr_merge`] it gets the links `bin`, `sbin` and `lib`;
    /// the rest of [`crate::MERGED`] comes when the first package has something there.
    pub fn open(path: &Path, options: &Options) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())?;
        let tree = Self { root, made: Mutex::default() };
        if options.usr_merge {
            for name in ["bin", "sbin", "lib"] {
                tree.merge(name).map_err(io::Error::other)?;
            }
        }
        Ok(tree)
    }

    /// Makes `usr/NAME` and the link to it.
    pub(crate) fn merge(&self, name: &str) -> Result<(), Cause> {
        let target = Path::new("usr").join(name);
        self.directory(&target)?;
        let lay = |source: Errno| Cause::Lay { path: name.into(), source: source.into() };
        match rustix::fs::symlinkat(&target, &self.root, name) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                let found = rustix::fs::readlinkat(&self.root, name, Vec::new()).map_err(lay)?;
                if found.to_bytes() == target.as_os_str().as_encoded_bytes() {
                    return Ok(());
                }
                Err(Cause::Exists { path: format!("/{name}"), found: "no link of a merged /usr" })
            }
            Err(error) => Err(lay(error)),
        }
    }

    /// Opens a directory of the tree, made with its parents where missing. No link is followed.
    pub(crate) fn directory(&self, place: &Path) -> Result<OwnedFd, Cause> {
        match open_directory(&self.root, place) {
            Ok(directory) => return Ok(directory),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(self.explain(place, error)),
        }
        let mut at = open_directory(&self.root, Path::new(""))
            .map_err(|error| self.explain(place, error))?;
        let mut so_far = PathBuf::new();
        for part in place.components() {
            let part = part.as_os_str();
            so_far.push(part);
            match rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o755)) {
                // Whatever the umask is: who unpacks must be able to go on.
                Ok(()) => {
                    rustix::fs::chmodat(&at, part, Mode::from_raw_mode(0o755), AtFlags::empty())
                        .map_err(|error| self.explain(place, error))?;
                    self.made().insert(so_far.clone());
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(self.explain(place, error)),
            }
            at =
                open_directory(&at, Path::new(part)).map_err(|error| self.explain(place, error))?;
        }
        Ok(at)
    }

    /// Whether a link is there that leads to a directory of the tree, the tree being the root of
    /// absolute links, or to one below `/run`, which is memory while scripts run and has been left.
    pub(crate) fn links_to_directory(&self, place: &Path) -> bool {
        let above = place.parent().unwrap_or(Path::new(""));
        let Ok(parent) = open_directory(&self.root, above) else { return false };
        let name = place.file_name().unwrap_or_default();
        if kind_at(&parent, name) != Some(FileType::Symlink) {
            return false;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        if rustix::fs::openat2(&self.root, place, flags, Mode::empty(), resolve).is_ok() {
            return true;
        }
        let target = rustix::fs::readlinkat(&parent, name, Vec::new());
        target.is_ok_and(|target| {
            let target = above.join(OsStr::from_bytes(target.to_bytes()));
            lexical(&target).starts_with("run")
        })
    }

    /// Lays a link; in a tree that lives, in the place of what is there. Not where a directory is:
    /// `false` then.
    pub(crate) fn link(&self, laid: &Laid, owners: Owners, living: bool) -> Result<bool, Cause> {
        let lay = |error: Errno| Cause::Lay { path: laid.place.clone(), source: error.into() };
        let parent = self.directory(laid.place.parent().unwrap_or(Path::new("")))?;
        let name = laid.place.file_name().unwrap_or_default();
        match (kind_at(&parent, name), living) {
            (None, _) => {}
            (Some(FileType::Directory), _) => return Ok(false),
            (Some(_), true) => {
                rustix::fs::unlinkat(&parent, name, AtFlags::empty()).map_err(lay)?;
            }
            (Some(kind), false) => {
                let path = name::shown(&laid.place);
                return Err(Cause::Exists { path, found: what(kind) });
            }
        }
        make_link(&parent, name, laid, owners).map_err(lay)?;
        Ok(true)
    }

    /// Opens the directory of what is laid aside, made where missing.
    pub(crate) fn aside(&self) -> Result<OwnedFd, Cause> {
        self.directory(Path::new(ASIDE))
    }

    /// Puts what was laid aside in the place of a file or link.
    pub(crate) fn replace_by_aside(&self, place: &Path, name: &str) -> Result<(), Cause> {
        let directory = self.directory(place.parent().unwrap_or(Path::new("")))?;
        let to = place.file_name().unwrap_or_default();
        rustix::fs::renameat(self.aside()?, name, directory, to)
            .map_err(|error| Cause::Lay { path: place.to_owned(), source: error.into() })
    }

    /// Removes what was laid aside.
    pub(crate) fn drop_aside(&self, name: &str) -> Result<(), Cause> {
        rustix::fs::unlinkat(self.aside()?, name, AtFlags::empty())
            .map_err(|error| Cause::Lay { path: name.into(), source: error.into() })
    }

    /// Removes the directory of what is laid aside, which is empty by now.
    pub(crate) fn remove_aside(&self) -> Result<(), Cause> {
        match rustix::fs::unlinkat(&self.root, ASIDE, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Cause::Lay { path: ASIDE.into(), source: error.into() }),
        }
    }

    /// Finds what stands in the way to a directory.
    fn explain(&self, place: &Path, error: Errno) -> Cause {
        let mut so_far = PathBuf::new();
        for part in place.components() {
            let Ok(directory) = open_directory(&self.root, &so_far) else { break };
            so_far.push(part);
            match kind_at(&directory, part.as_os_str()) {
                Some(FileType::Symlink) => {
                    return Cause::BehindLink {
                        member: name::shown(place),
                        link: name::shown(&so_far),
                    };
                }
                Some(FileType::Directory) | None => {}
                Some(kind) => {
                    return Cause::Exists { path: name::shown(&so_far), found: what(kind) };
                }
            }
        }
        Cause::Lay { path: place.to_owned(), source: error.into() }
    }

    fn made(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives every directory its owner, mode, attributes and time, the first package that has it
    /// winning, as the first to make it does in dpkg. To be called once, when all packages are
    /// laid.
    pub fn settle(&self, packages: &[Package], options: &Options) -> Result<(), Error> {
        self.settle_those(packages, options, |_| true)
    }

    /// The same for the directories that were not there when the tree was opened. All others are
    /// as scripts have left them.
    pub(crate) fn settle_new(&self, packages: &[Package], options: &Options) -> Result<(), Error> {
        let made = self.made().clone();
        self.settle_those(packages, options, |place| made.contains(place))
    }

    fn settle_those(
        &self,
        packages: &[Package],
        options: &Options,
        wanted: impl Fn(&Path) -> bool,
    ) -> Result<(), Error> {
        let mut seen = HashSet::new();
        let mut directories = Vec::new();
        for package in packages {
            for laid in &package.members {
                if laid.kind == Kind::Directory
                    && wanted(&laid.place)
                    && seen.insert(laid.place.as_path())
                {
                    directories.push((package, laid));
                }
            }
        }
        // The deepest first: a mode may shut a directory for who is not root.
        directories.sort_by(|(_, one), (_, other)| other.place.cmp(&one.place));
        for (package, laid) in directories {
            self.settle_one(package, laid, options)
                .map_err(|cause| Error::new(package.control.package(), cause))?;
        }
        Ok(())
    }

    fn settle_one(&self, package: &Package, laid: &Laid, options: &Options) -> Result<(), Cause> {
        let lay = |source: Errno| Cause::Lay { path: laid.place.clone(), source: source.into() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = File::from(open(&self.root, &laid.place, flags).map_err(lay)?);
        match options.owners {
            Owners::Keep => {
                for (place, name, value) in &package.directory_xattrs {
                    if *place == laid.place {
                        set_xattr(&directory, place, name, value)?;
                    }
                }
                own(&directory, laid).map_err(lay)?;
                let mode = Mode::from_raw_mode(laid.mode);
                rustix::fs::fchmod(&directory, mode).map_err(lay)?;
            }
            Owners::Ignore => {
                let mode = Mode::from_raw_mode(laid.mode & 0o777 | 0o700);
                rustix::fs::fchmod(&directory, mode).map_err(lay)?;
            }
        }
        rustix::fs::futimens(&directory, &times(laid.mtime)).map_err(lay)
    }
}

/// Makes a link under a name that is free.
pub(crate) fn make_link(
    directory: &OwnedFd,
    name: &OsStr,
    laid: &Laid,
    owners: Owners,
) -> Result<(), Errno> {
    let Kind::Symlink(target) = &laid.kind else { return Err(Errno::INVAL) };
    rustix::fs::symlinkat(target, directory, name)?;
    if owners == Owners::Keep {
        let (uid, gid) = ids(laid);
        rustix::fs::chownat(directory, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    rustix::fs::utimensat(directory, name, &times(laid.mtime), AtFlags::SYMLINK_NOFOLLOW)
}

/// Sets the owner and group that the package has.
pub(crate) fn own(file: impl AsFd, laid: &Laid) -> Result<(), Errno> {
    let (uid, gid) = ids(laid);
    rustix::fs::fchown(file, uid, gid)
}

pub(crate) fn ids(laid: &Laid) -> (Option<rustix::fs::Uid>, Option<rustix::fs::Gid>) {
    (Some(rustix::fs::Uid::from_raw(laid.uid)), Some(rustix::fs::Gid::from_raw(laid.gid)))
}

pub(crate) fn set_xattr(file: &File, place: &Path, name: &str, value: &[u8]) -> Result<(), Cause> {
    rustix::fs::fsetxattr(file, name, value, rustix::fs::XattrFlags::empty()).map_err(|error| {
        Cause::Xattr { path: place.to_owned(), name: name.to_owned(), source: error.into() }
    })
}

/// Access and modification time.
pub(crate) fn times(mtime: i64) -> rustix::fs::Timestamps {
    let time = rustix::fs::Timespec { tv_sec: mtime, tv_nsec: 0 };
    rustix::fs::Timestamps { last_access: time, last_modification: time }
}

/// What a name in a directory is, if there is one.
pub(crate) fn kind_at(directory: &OwnedFd, name: &OsStr) -> Option<FileType> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

pub(crate) fn what(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::RegularFile => "a file",
        _ => "neither a file, a directory nor a link",
    }
}

/// A path without its dots, relative to the root.
fn lexical(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => found.push(part),
            Component::ParentDir => drop(found.pop()),
            Component::RootDir => found.clear(),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    found
}

fn open_directory(from: &OwnedFd, place: &Path) -> Result<OwnedFd, Errno> {
    open(from, place, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC)
}

fn open(from: &OwnedFd, place: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        // EAGAIN: a rename somewhere on the machine came between, openat2(2).
        match rustix::fs::openat2(from, place, flags | OFlags::NOFOLLOW, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}
