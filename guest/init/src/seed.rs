//! How state begins: as a copy of what the image has, as a fresh volume of a container does.
//!
//! Owners, modes, times, hard links, symlinks, holes and extended attributes (capabilities, access
//! control lists, `user.*`) are copied, and fifos, sockets and devices made anew. Nobody else runs:
//! what is read is the image, what is written is ours alone until it gets its name.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
    chmodat, chownat, fstatvfs, lgetxattr, linkat, llistxattr, lsetxattr, mkdirat, mknodat, openat,
    readlinkat, statat, symlinkat, syncfs, utimensat,
};
use rustix::io::Errno;

/// Bytes that are written between two waits for the disk: the last wait would be longer than a
/// watchdog's patience on a slow card, if it were the only one.
const SYNC_EVERY: u64 = 16 << 20;

/// What an inode costs besides its content.
const INODE: u64 = 4096;

/// One copy that is to be made.
pub(crate) struct Seed<'a> {
    /// The new root.
    pub(crate) image: &'a OwnedFd,
    /// The path in it, without symlinks.
    pub(crate) from: &'a Path,
    /// The directory that the copy lies in.
    pub(crate) parent: &'a OwnedFd,
    /// Its name there; nothing has it yet.
    pub(crate) to: &'a Path,
}

/// What could not be copied: a path below the copied one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}{source}", place(path))]
pub(crate) struct Failed {
    path: PathBuf,
    pub(crate) source: io::Error,
}

fn place(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => String::new(),
        false => format!("{}: ", path.display()),
    }
}

type Result<T> = std::result::Result<T, Failed>;

/// Says at which path the kernel said no.
trait At<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|source| Failed { path: path.to_owned(), source: source.into() })
    }
}

/// What a copy has to be told while it is made.
struct Copying<'a> {
    seed: &'a Seed<'a>,
    /// The first name of each inode that has several: device and inode, path below the copied one.
    links: BTreeMap<(u64, u64), PathBuf>,
    /// Bytes since the last wait for the disk.
    unsynced: u64,
    /// Whether a file has content: the journal does not have it.
    content: bool,
    alive: &'a mut dyn FnMut(),
}

impl Seed<'_> {
    /// Whether there is anything to copy, and the bytes that it takes: a little more than in fact,
    /// so that what fits by this count does fit.
    pub(crate) fn size(&self, alive: &mut dyn FnMut()) -> Result<u64> {
        let mut size = 0;
        let mut linked = BTreeMap::new();
        let mut count = |stat: &Stat| {
            alive();
            let first = stat.st_nlink < 2 || linked.insert(inode(stat), ()).is_none();
            if kind(stat) == FileType::RegularFile && first {
                // Holes are none of it; a filesystem that compresses counts too few blocks, and
                // then the copy itself finds out.
                let bytes =
                    unsigned(stat.st_size).min(unsigned(stat.st_blocks).saturating_mul(512));
                size += bytes.next_multiple_of(4096);
            }
            size += INODE;
        };
        let top = self.stat(Path::new(""))?;
        count(&top);
        let mut directories = Vec::new();
        if kind(&top) == FileType::Directory {
            directories.push(PathBuf::new());
        }
        while let Some(directory) = directories.pop() {
            for path in self.names(&directory)? {
                let stat = self.stat(&path)?;
                count(&stat);
                if kind(&stat) == FileType::Directory {
                    directories.push(path);
                }
            }
        }
        Ok(size)
    }

    /// The bytes that there is room for.
    pub(crate) fn room(&self) -> io::Result<u64> {
        let found = fstatvfs(self.parent)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Makes the copy; without `content` what it is a copy of is as if it were empty. When this
    /// returns all content is on the disk. Everything else is in the journal, before the copy's name
    /// will be: directories and empty files need not be waited for.
    pub(crate) fn copy(&self, content: bool, alive: &mut dyn FnMut()) -> Result<()> {
        let links = BTreeMap::new();
        let mut copying = Copying { seed: self, links, unsynced: 0, content: false, alive };
        // Parents before what they hold.
        let mut directories = Vec::new();
        copying.entry(PathBuf::new(), content, &mut directories)?;
        let mut next = 0;
        while content && next < directories.len() {
            for path in self.names(&directories[next])? {
                copying.entry(path, content, &mut directories)?;
            }
            next += 1;
        }
        // What is made in a directory changes its times: the innermost comes first.
        for directory in directories.iter().rev() {
            copying.attributes(directory, &self.stat(directory)?)?;
        }
        if copying.content { syncfs(self.parent).at(Path::new("")) } else { Ok(()) }
    }

    fn source(&self, path: &Path) -> PathBuf {
        below(self.from, path)
    }

    fn target(&self, path: &Path) -> PathBuf {
        below(self.to, path)
    }

    fn stat(&self, path: &Path) -> Result<Stat> {
        statat(self.image, self.source(path), AtFlags::SYMLINK_NOFOLLOW).at(path)
    }

    /// The paths of what a directory holds.
    fn names(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let list = || {
            let opened = openat(self.image, self.source(directory), flags, Mode::empty())?;
            let mut names = Vec::new();
            for entry in Dir::read_from(&opened)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if !matches!(name, b"." | b"..") {
                    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(name);
                    names.push(directory.join(name));
                }
            }
            Ok::<_, Errno>(names)
        };
        list().at(directory)
    }
}

impl Copying<'_> {
    /// Copies one path; a directory is made, and waits for its content and its attributes.
    fn entry(
        &mut self,
        path: PathBuf,
        content: bool,
        directories: &mut Vec<PathBuf>,
    ) -> Result<()> {
        (self.alive)();
        let Seed { image, parent, .. } = *self.seed;
        let (source, target) = (self.seed.source(&path), self.seed.target(&path));
        let stat = self.seed.stat(&path)?;
        if kind(&stat) == FileType::Directory {
            mkdirat(parent, &target, Mode::from_raw_mode(0o700)).at(&path)?;
            directories.push(path);
            return self.wrote(INODE);
        }
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&inode(&stat)) {
                let first = self.seed.target(first);
                return linkat(parent, &first, parent, &target, AtFlags::empty()).at(&path);
            }
            self.links.insert(inode(&stat), path.clone());
        }
        match kind(&stat) {
            FileType::RegularFile => self.file(&path, content)?,
            FileType::Symlink => {
                let text = readlinkat(image, &source, Vec::new()).at(&path)?;
                symlinkat(&text, parent, &target).at(&path)?;
            }
            other => {
                let mode = Mode::from_raw_mode(0o600);
                mknodat(parent, &target, other, mode, stat.st_rdev).at(&path)?;
            }
        }
        self.attributes(&path, &stat)?;
        self.wrote(INODE)
    }

    fn file(&mut self, path: &Path, content: bool) -> Result<()> {
        let Seed { image, parent, .. } = *self.seed;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let target = self.seed.target(path);
        let made = openat(parent, &target, flags, Mode::from_raw_mode(0o600)).at(path)?;
        if !content {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let original = openat(image, self.seed.source(path), flags, Mode::empty()).at(path)?;
        let (mut original, mut made) = (File::from(original), File::from(made));
        let mut buffer = vec![0; 128 << 10];
        let mut length = 0;
        loop {
            let read = original.read(&mut buffer).at(path)?;
            let part = &buffer[..read];
            if part.is_empty() {
                return made.set_len(length).at(path);
            }
            self.content = true;
            length += read as u64;
            if part.iter().all(|byte| *byte == 0) {
                made.seek(SeekFrom::Start(length)).at(path)?;
            } else {
                made.write_all(part).at(path)?;
            }
            self.wrote(read as u64)?;
            (self.alive)();
        }
    }

    /// Gives the copy what the original has. A new owner takes set-id bits and capabilities away,
    /// so the owner is first; each of the others leaves the time alone, which is last.
    fn attributes(&mut self, path: &Path, stat: &Stat) -> Result<()> {
        let parent = self.seed.parent;
        let target = self.seed.target(path);
        let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        chownat(parent, &target, Some(owner), Some(group), nofollow).at(path)?;
        if kind(stat) != FileType::Symlink {
            let mode = Mode::from_raw_mode(stat.st_mode);
            chmodat(parent, &target, mode, AtFlags::empty()).at(path)?;
        }
        self.extended(path).at(path)?;
        let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let times = Timestamps {
            last_access: time(stat.st_atime, i64::try_from(stat.st_atime_nsec).unwrap_or(0)),
            last_modification: time(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        };
        utimensat(parent, &target, &times, nofollow).at(path)
    }

    fn extended(&self, path: &Path) -> rustix::io::Result<()> {
        // The calls that take a directory and a path are of Linux 6.13.
        let name = |at: &OwnedFd, path: PathBuf| {
            Path::new("/proc/self/fd").join(at.as_raw_fd().to_string()).join(path)
        };
        let source = name(self.seed.image, self.seed.source(path));
        let target = name(self.seed.parent, self.seed.target(path));
        for attribute in list(&source)? {
            let value = value(&source, &attribute)?;
            match lsetxattr(&target, &*attribute, &value, XattrFlags::empty()) {
                // Memory, which state is kept in on an ISO, has no `user.*` before Linux 6.6.
                Ok(()) | Err(Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn wrote(&mut self, bytes: u64) -> Result<()> {
        self.unsynced += bytes;
        if self.unsynced < SYNC_EVERY {
            return Ok(());
        }
        self.unsynced = 0;
        syncfs(self.seed.parent).at(Path::new(""))
    }
}

fn below(base: &Path, path: &Path) -> PathBuf {
    // An empty path joined would leave a slash at the end.
    if path.as_os_str().is_empty() { base.to_owned() } else { base.join(path) }
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn inode(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The names of the extended attributes of a path, which is no symlink that is followed.
fn list(path: &Path) -> rustix::io::Result<Vec<CString>> {
    let mut names = vec![0; 64 << 10]; // XATTR_LIST_MAX (linux/limits.h)
    let length = match llistxattr(path, names.as_mut_slice()) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names = names[..length].split_inclusive(|byte| *byte == 0);
    let names = names.filter_map(|name| CStr::from_bytes_with_nul(name).ok());
    // What an overlay notes is about its own layers.
    let ours = names.filter(|name| !name.to_bytes().starts_with(b"trusted.overlay."));
    Ok(ours.map(CStr::to_owned).collect())
}

fn value(path: &Path, name: &CStr) -> rustix::io::Result<Vec<u8>> {
    let mut value = vec![0; 64 << 10]; // XATTR_SIZE_MAX
    let length = lgetxattr(path, name, value.as_mut_slice())?;
    value.truncate(length);
    Ok(value)
}

#[cfg(test)]
mod tests;
