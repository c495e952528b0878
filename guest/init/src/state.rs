//! State: the paths of the new root that outlive a reboot.
//!
//! A state entry is a directory or a regular file under `/state` of the data partition that is
//! bind-mounted over its path in the new root. Paths of the root are resolved inside the root,
//! as a process there would resolve them (`/var/spool/mail` is a symlink to `../mail`), and never
//! lead out of it; entries are resolved without following any symlink.
//!
//! An entry that is not there yet is made with owner and mode of the path in the image, a file
//! with its content too. It is made under another name first: an entry that exists is whole.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use generation::State;
use generation::unused::UNFINISHED;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, fchmod, fchown, fstat,
    mkdirat, openat2, renameat, unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use crate::error::{Context, Error, Result};

/// The roots between which state is bound.
pub(crate) struct Roots {
    image: OwnedFd,
    state: OwnedFd,
}

/// A state path that is in place.
pub(crate) struct Bound {
    /// Whether the entry is new.
    pub(crate) made: bool,
    /// The path in the new root, without symlinks.
    pub(crate) place: String,
}

/// Both ends of a bind mount, found and of one kind.
struct Ends {
    /// The entry under `/state`.
    entry: OwnedFd,
    /// The path in the new root.
    path: OwnedFd,
}

impl Roots {
    /// `image` is the new root, `state` the directory that has the entries.
    pub(crate) fn open(image: &Path, state: &Path) -> Result<Self> {
        let directory = |path: &Path| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty()).on("open", path)
        };
        Ok(Self { image: directory(image)?, state: directory(state)? })
    }

    /// Binds one entry over its path; makes it first if it is not there.
    pub(crate) fn bind(&self, state: &State) -> Result<Bound> {
        let (ends, made) = self.ends(state)?;
        let clone = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::AT_EMPTY_PATH
            | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(&ends.entry, "", clone).on("bind", &state.path)?;
        // The kernel's name of what was found, before something else is mounted there.
        let place = self.place(&ends.path).on("name", &state.path)?;
        let here =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&tree, "", &ends.path, "", here).on("bind", &state.path)?;
        Ok(Bound { made, place })
    }

    /// Where a found path lies in the image, without the symlinks that led there (proc(5),
    /// /proc/pid/fd).
    fn place(&self, found: &OwnedFd) -> io::Result<String> {
        let name = |fd: &OwnedFd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        let (root, found) = (name(&self.image)?, name(found)?);
        let inside = found.strip_prefix(&root).map_err(io::Error::other)?;
        Ok(format!("/{}", inside.display()))
    }

    fn ends(&self, state: &State) -> Result<(Ends, bool)> {
        let path = match self.in_image(&state.path, OFlags::PATH) {
            Err(Errno::NOENT) => return Err(wrong(state, "the image has nothing at this path")),
            found => found.on("open", &state.path)?,
        };
        let wanted = fstat(&path).on("read", &state.path)?;
        let kind = FileType::from_raw_mode(wanted.st_mode);
        if !matches!(kind, FileType::Directory | FileType::RegularFile) {
            return Err(wrong(state, "the image has neither a directory nor a file there"));
        }

        let at = Path::new(&state.at);
        let (entry, made) = match self.in_state(at) {
            Err(Errno::NOENT) => {
                self.make(state, &wanted)?;
                (self.in_state(at), true)
            }
            found => (found, false),
        };
        let entry = match entry {
            Err(Errno::LOOP) => return Err(wrong(state, "its entry lies behind a symlink")),
            entry => entry.on("open", at)?,
        };
        if FileType::from_raw_mode(fstat(&entry).on("read", at)?.st_mode) != kind {
            let why = match kind {
                FileType::Directory => "the image has a directory there, the entry is none",
                _ => "the image has a file there, the entry is none",
            };
            return Err(wrong(state, why));
        }
        Ok((Ends { entry, path }, made))
    }

    /// Opens a path of the image as a process in it would.
    fn in_image(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        openat2(&self.image, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
    }

    fn in_state(&self, at: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat2(&self.state, at, flags, Mode::empty(), WITHIN)?;
        // O_PATH with O_NOFOLLOW opens a symlink itself.
        match FileType::from_raw_mode(fstat(&found)?.st_mode) {
            FileType::Symlink => Err(Errno::LOOP),
            _ => Ok(found),
        }
    }

    /// Makes the entry of `state` like the path in the image, whose attributes are `like`.
    fn make(&self, state: &State, like: &Stat) -> Result<()> {
        let at = Path::new(&state.at);
        let Some(name) = at.file_name() else {
            return Err(wrong(state, "its entry has no name"));
        };
        let parent = self.make_parents(at.parent().unwrap_or(Path::new("")))?;
        let mut new = PathBuf::from(UNFINISHED);
        new.as_mut_os_string().push(name);

        let made = if FileType::from_raw_mode(like.st_mode) == FileType::Directory {
            new_directory(&parent, &new).on("make", at)?
        } else {
            let original = self.in_image(&state.path, OFlags::RDONLY).on("open", &state.path)?;
            new_file(&parent, &new, original).on("make", at)?
        };
        let (owner, group) = (Uid::from_raw(like.st_uid), Gid::from_raw(like.st_gid));
        fchown(&made, Some(owner), Some(group)).on("set the owner of", at)?;
        fchmod(&made, Mode::from_raw_mode(like.st_mode)).on("set the mode of", at)?;
        rustix::fs::fsync(&made).on("write", at)?;
        renameat(&parent, &new, &parent, name).on("make", at)?;
        rustix::fs::fsync(&parent).on("write", at)
    }

    /// Makes the directories that an entry lies in, mode 0755 and root's; opens the last.
    fn make_parents(&self, parents: &Path) -> Result<OwnedFd> {
        let open = |within: &OwnedFd, name: &Path| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat2(within, name, flags, Mode::empty(), WITHIN).on("open", name)
        };
        let mut directory = open(&self.state, Path::new("."))?;
        for component in parents.components() {
            let Component::Normal(name) = component else { continue };
            match mkdirat(&directory, name, Mode::from_raw_mode(0o755)) {
                Err(Errno::EXIST) => {}
                made => made.on("make", parents)?,
            }
            directory = open(&directory, Path::new(name))?;
        }
        Ok(directory)
    }
}

/// Of entries nothing is followed.
const WITHIN: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// An empty directory; one that an earlier boot did not finish is taken up.
fn new_directory(parent: &OwnedFd, name: &Path) -> rustix::io::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(parent, name, flags, Mode::empty(), WITHIN)
}

/// A file with the content of `original`, in place of one that an earlier boot did not finish.
fn new_file(parent: &OwnedFd, name: &Path, original: OwnedFd) -> io::Result<OwnedFd> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let made = openat2(parent, name, flags, Mode::from_raw_mode(0o600), WITHIN)?;
    let mut copy = File::from(made);
    io::copy(&mut File::from(original), &mut copy)?;
    Ok(copy.into())
}

fn wrong(state: &State, why: &str) -> Error {
    Error::State { path: state.path.clone(), why: why.into() }
}

/// The directory that `/state` is: made if the data filesystem has none yet.
pub(crate) fn directory(data: &Path) -> Result<PathBuf> {
    let path = data.join("state");
    match mkdirat(CWD, &path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(path),
        Err(errno) => Err(errno).on("make", &path),
    }
}

#[cfg(test)]
mod tests;
