//! State: the paths of the new root that outlive a reboot.
//!
//! A state entry is a directory or a regular file under `/state` of the data partition that is
//! bind-mounted over its path in the new root. Paths of the root are resolved inside the root,
//! as a process there would resolve them (`/var/spool/mail` is a symlink to `../mail`), and never
//! lead out of it; entries are resolved without following any symlink.
//!
//! An entry that is not there yet begins as a copy of what the image has at the path ([`crate::seed`]),
//! or empty, with its owner and mode. It is made under another name first: an entry that exists is
//! whole.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use generation::unused::UNFINISHED;
use generation::{State, StateOption};
use rustix::fs::{
    CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2, renameat,
};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, mount_remount, move_mount, open_tree,
};

use crate::clear;
use crate::error::{Context, Error, Result};
use crate::log::Log;
use crate::seed::{self, Seed};
use crate::watchdog::Watchdog;

/// A copy of more bytes than this takes a while, and is announced.
const MUCH: u64 = 64 << 20;

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
    pub(crate) fn bind(&self, state: &State, log: &Log, watchdog: &mut Watchdog) -> Result<Bound> {
        let (ends, made) = self.ends(state, log, watchdog)?;
        let clone = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::AT_EMPTY_PATH
            | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(&ends.entry, "", clone).on("bind", &state.path)?;
        // The kernel's name of what was found, before something else is mounted there.
        let place = self.place(&ends.path).on("name", &state.path)?;
        let here =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&tree, "", &ends.path, "", here).on("bind", &state.path)?;
        if !state.options.is_empty() {
            self.remount(state, &place).on("set the mount options of", &state.path)?;
        }
        Ok(Bound { made, place })
    }

    /// Lifts what the data filesystem is mounted with, of this one mount alone.
    fn remount(&self, state: &State, place: &str) -> io::Result<()> {
        let mounted = self.in_image(place, OFlags::PATH)?;
        let mounted = format!("/proc/self/fd/{}", mounted.as_raw_fd());
        Ok(mount_remount(mounted, MountFlags::BIND | flags(&state.options), c"")?)
    }

    /// Where a found path lies in the image, without the symlinks that led there (proc(5),
    /// /proc/pid/fd).
    fn place(&self, found: &OwnedFd) -> io::Result<String> {
        let name = |fd: &OwnedFd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        let (root, found) = (name(&self.image)?, name(found)?);
        let inside = found.strip_prefix(&root).map_err(io::Error::other)?;
        Ok(format!("/{}", inside.display()))
    }

    fn ends(&self, state: &State, log: &Log, watchdog: &mut Watchdog) -> Result<(Ends, bool)> {
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
                self.make(state, &path, log, watchdog)?;
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

    /// Makes the entry of `state` out of what was found in the image.
    fn make(&self, state: &State, found: &OwnedFd, log: &Log, dog: &mut Watchdog) -> Result<()> {
        let at = Path::new(&state.at);
        let Some(name) = at.file_name() else {
            return Err(wrong(state, "its entry has no name"));
        };
        let parent = self.make_parents(at.parent().unwrap_or(Path::new("")))?;
        let mut new = PathBuf::from(UNFINISHED);
        new.as_mut_os_string().push(name);
        clear::remove(&parent, &new).on("remove", &new)?;

        let place = self.place(found).on("name", &state.path)?;
        let from = Path::new(place.trim_start_matches('/'));
        let seed = Seed { image: &self.image, from, parent: &parent, to: &new };
        if let Err(error) = fill(state, &seed, log, dog) {
            // What was copied takes the room that the others need. What stays is cleared at the
            // next boot.
            let _ = clear::remove(&parent, &new);
            return Err(error);
        }
        // Whatever is written to the entry later comes to the disk after its name, by the journal.
        renameat(&parent, &new, &parent, name).on("make", at)
    }

    /// Removes what copies that were never finished have left beside the entries of `state`.
    pub(crate) fn clear_unfinished(&self, state: &[State]) -> Result<()> {
        let mut parents = vec![Path::new("")];
        parents.extend(state.iter().filter_map(|state| Path::new(&state.at).parent()));
        parents.sort_unstable();
        parents.dedup();
        for parent in parents {
            let directory = self.make_parents(parent)?;
            for entry in Dir::read_from(&directory).on("list", parent)? {
                let entry = entry.on("list", parent)?;
                let name = entry.file_name().to_string_lossy();
                if name.starts_with(UNFINISHED) {
                    clear::remove(&directory, Path::new(&*name)).on("remove", &*name)?;
                }
            }
        }
        Ok(())
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

/// The flags of a mount of state: those of the data filesystem but for what is lifted.
fn flags(options: &[StateOption]) -> MountFlags {
    let mut flags = MountFlags::NOSUID | MountFlags::NODEV;
    for option in options {
        match option {
            StateOption::Dev => flags.remove(MountFlags::NODEV),
            StateOption::Suid => flags.remove(MountFlags::NOSUID),
            // Nothing denies it.
            StateOption::Exec => {}
        }
    }
    flags
}

/// Makes a copy, if there is room for it.
fn fill(state: &State, seed: &Seed<'_>, log: &Log, watchdog: &mut Watchdog) -> Result<()> {
    let mut alive = || watchdog.beat_in_time();
    let failed = |failed: seed::Failed| {
        wrong(state, format!("what the image has there cannot be copied: {failed}"))
    };
    if state.seed {
        let size = seed.size(&mut alive).map_err(failed)?;
        let room = seed.room().on("read", &state.path)?;
        enough(state, size, room)?;
        if size > MUCH {
            log.info(format_args!("copying {} for {}", megabytes(size), state.path));
        }
    }
    seed.copy(state.seed, &mut alive).map_err(failed)
}

fn enough(state: &State, size: u64, room: u64) -> Result<()> {
    if size <= room {
        return Ok(());
    }
    let (size, room) = (megabytes(size), megabytes(room));
    let why =
        format!("it begins with {size} of the image, the data filesystem has room for {room}");
    Err(wrong(state, why))
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

fn wrong(state: &State, why: impl Into<String>) -> Error {
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
