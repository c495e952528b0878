//! State, copied out of a disk into a new folder.
//!
//! Names come from a hostile disk. Each file is made below the folder by its one name, relative to
//! a directory that is held open, and never over something that is there: no name and no symlink
//! leads out.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use ext4_view::{Metadata, PathBuf};
use rustix::fs::{
    AtFlags, Mode, OFlags, Timespec, Timestamps, chownat, fchmod, fchown, mkdirat, openat,
    symlinkat, utimensat,
};
use rustix::process::{Gid, Uid, geteuid};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::filesystem::Filesystem;
use crate::shown::safe;
use crate::walk::{kind, last_name, place};

/// Directories lie at most so deep: a damaged disk may have one in itself.
const DEPTH: usize = 256;

/// So much is read at once. What is zero throughout stays a hole.
const CHUNK: usize = 64 * 1024;

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Regular files.
    pub files: u64,
    /// Directories, the first among them.
    pub directories: u64,
    /// Symlinks, as they are: they lead where they lead.
    pub symlinks: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Whether owners are those of the server: only root can give files away.
    pub owners: bool,
    /// What was left out, and why, a line each, made safe to show.
    pub left_out: Vec<String>,
}

/// Copies the state `asked` (all of it for an empty path) into `to`, which must not be there, or
/// be empty. Modes and times are kept, owners where the caller is root; set-id bits are not, since
/// state has none on a server either.
///
/// # Errors
/// `asked` is no state; `to` is there; it cannot be written. What of the disk cannot be read, or
/// is no file, directory or symlink, is left out and said.
pub fn copy(disk: &Filesystem, asked: &Path, to: &Path) -> Result<Copied> {
    let from = place(disk, asked)?;
    let failed = |source| Error::Filesystem { what: safe(from.as_ref()), source };
    let found = disk.ext4().symlink_metadata(&from).map_err(failed)?;
    let folder = new_folder(to)?;
    let owners = geteuid().is_root();
    let copied = Copied { owners, ..Copied::default() };
    let mut copying = Copying { disk, to, copied, entries: 0, limit: disk.entries() };
    if found.is_dir() {
        copying.copied.directories = 1;
        copying.directory(&from, folder.as_fd(), 0)?;
        // The folder itself stays the caller's own: what is in it may be anybody's.
    } else {
        copying.entry(last_name(&from), &from, folder.as_fd(), 0)?;
    }
    Ok(copying.copied)
}

/// A folder that only its owner may enter.
fn new_folder(path: &Path) -> Result<OwnedFd> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut entries = fs::read_dir(path).map_err(Error::io("list", path))?;
            if entries.next().is_some() {
                return Err(Error::NotEmpty(path.to_owned()));
            }
        }
        made => made.map_err(Error::io("make", path))?,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from);
    opened.map_err(Error::io("open", path))
}

struct Copying<'a> {
    disk: &'a Filesystem,
    to: &'a Path,
    copied: Copied,
    entries: u64,
    limit: u64,
}

impl Copying<'_> {
    /// Copies what is in `from` into `into`.
    fn directory(&mut self, from: &PathBuf, into: BorrowedFd<'_>, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return self.leave_out(from, "directories lie too deep");
        }
        let names = match self.disk.names(from) {
            Ok(names) => names,
            Err(error) => return self.leave_out(from, &reason(&error)),
        };
        for (name, path) in names {
            self.entry(&name, &path, into, depth)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        name: &[u8],
        from: &PathBuf,
        into: BorrowedFd<'_>,
        depth: usize,
    ) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limit {
            return Err(Error::Endless(self.limit));
        }
        // ext4 has no such names; a disk may.
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
            return self.leave_out(from, "it has no name that a file can have");
        }
        let found = match self.disk.ext4().symlink_metadata(from) {
            Ok(found) => found,
            Err(error) => return self.leave_out(from, &error.to_string()),
        };
        let name = OsString::from_vec(name.to_vec());
        let made = match kind(found.file_type()) {
            "directory" => self.subdirectory(&name, from, &found, into, depth)?,
            "file" => self.file(&name, from, &found, into)?,
            "symlink" => self.symlink(&name, from, &found, into),
            kind => return self.leave_out(from, &format!("it is a {kind}")),
        };
        match made {
            Ok(()) => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists) => {
                self.leave_out(from, "the directory has this name twice")
            }
            Err(error) => Err(Error::io("write to", self.to)(error)),
        }
    }

    fn subdirectory(
        &mut self,
        name: &OsString,
        from: &PathBuf,
        found: &Metadata,
        into: BorrowedFd<'_>,
        depth: usize,
    ) -> Result<io::Result<()>> {
        let opened = mkdirat(into, name, Mode::RWXU).and_then(|()| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(into, name, flags, Mode::empty())
        });
        let directory = match opened {
            Ok(directory) => directory,
            Err(errno) => return Ok(Err(errno.into())),
        };
        self.copied.directories += 1;
        self.directory(from, directory.as_fd(), depth + 1)?;
        // After what is in it, which it may forbid.
        Ok(self.settle(directory.as_fd(), found))
    }

    fn file(
        &mut self,
        name: &OsString,
        from: &PathBuf,
        found: &Metadata,
        into: BorrowedFd<'_>,
    ) -> Result<io::Result<()>> {
        if found.len() > self.disk.disk_size() {
            let why = format!("it says that it has {} bytes, more than the disk", found.len());
            return self.leave_out(from, &why).map(Ok);
        }
        let mut opened = match self.disk.ext4().open(from) {
            Ok(opened) => opened,
            Err(error) => return self.leave_out(from, &error.to_string()).map(Ok),
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let made = openat(into, name, flags | OFlags::NOFOLLOW, Mode::RUSR | Mode::WUSR);
        let mut file = match made {
            Ok(made) => File::from(made),
            Err(errno) => return Ok(Err(errno.into())),
        };
        let mut chunk = vec![0; CHUNK];
        let mut size = 0;
        loop {
            let read = match opened.read_bytes(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => {
                    let why = format!("it ends after {size} bytes: {error}");
                    self.leave_out(from, &why)?;
                    break;
                }
            };
            let bytes = &chunk[..read];
            let wrote = if bytes.iter().all(|byte| *byte == 0) {
                use std::io::Seek;
                file.seek(io::SeekFrom::Current(read as i64)).map(drop)
            } else {
                file.write_all(bytes)
            };
            if let Err(error) = wrote {
                return Ok(Err(error));
            }
            size += read as u64;
        }
        self.copied.files += 1;
        self.copied.bytes += size;
        // Where it ends in a hole.
        Ok(file.set_len(size).and_then(|()| self.settle(file.as_fd(), found)))
    }

    fn symlink(
        &mut self,
        name: &OsString,
        from: &PathBuf,
        found: &Metadata,
        into: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let target = match self.disk.ext4().read_link(from) {
            Ok(target) => OsString::from_vec(target.as_ref().to_vec()),
            Err(error) => {
                self.copied.left_out.push(line(from, &error.to_string()));
                return Ok(());
            }
        };
        symlinkat(target, into, name)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if self.copied.owners {
            chownat(into, name, Some(uid(found)), Some(gid(found)), flags)?;
        }
        utimensat(into, name, &times(found), flags)?;
        self.copied.symlinks += 1;
        Ok(())
    }

    /// Gives a file its owner, mode and time.
    fn settle(&self, file: BorrowedFd<'_>, found: &Metadata) -> io::Result<()> {
        if self.copied.owners {
            fchown(file, Some(uid(found)), Some(gid(found)))?;
        }
        // No set-id bits: it is a copy on a machine that has not agreed to them.
        fchmod(file, Mode::from_raw_mode(u32::from(found.mode()) & 0o1777))?;
        Ok(rustix::fs::futimens(file, &times(found))?)
    }

    fn leave_out(&mut self, from: &PathBuf, why: &str) -> Result<()> {
        self.copied.left_out.push(line(from, why));
        Ok(())
    }
}

fn line(from: &PathBuf, why: &str) -> String {
    format!("{}: {}", safe(from.as_ref()), safe(why.as_bytes()))
}

fn reason(error: &Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

fn uid(found: &Metadata) -> Uid {
    Uid::from_raw(found.uid())
}

fn gid(found: &Metadata) -> Gid {
    Gid::from_raw(found.gid())
}

fn times(found: &Metadata) -> Timestamps {
    let of = |time: ext4_view::Timestamp| Timespec {
        tv_sec: time.seconds(),
        tv_nsec: i64::from(time.nanoseconds()),
    };
    Timestamps { last_access: of(found.accessed()), last_modification: of(found.modified()) }
}
