//! Files of a tree that packages and their scripts have been in.
//!
//! Either may have put a link anywhere, and what works on the tree sees the host's files:
//! everything is opened as if the tree were the root (`RESOLVE_IN_ROOT` of openat2(2)), so that no
//! link leads out of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// A file of a tree could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    /// It could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file, with the tree's own path before it.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file, with the tree's own path before it.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

type Result<T, E = InsideError> = std::result::Result<T, E>;

/// An open tree. Paths are relative to its root. Each method is an error when what it says cannot be
/// read or written, also when a link would lead out of the tree.
#[derive(Debug)]
pub struct Inside {
    tree: PathBuf,
    root: OwnedFd,
}

impl Inside {
    /// Opens a tree.
    pub fn open(tree: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(tree, flags, Mode::empty())
            .map_err(|error| InsideError::Read { path: tree.to_owned(), source: error.into() })?;
        Ok(Self { tree: tree.to_owned(), root })
    }

    /// Where a path is, for messages.
    pub fn shown(&self, path: impl AsRef<Path>) -> PathBuf {
        self.tree.join(path)
    }

    fn at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let made = flags.contains(OFlags::CREATE);
        let mode = if made { Mode::from_raw_mode(0o644) } else { Mode::empty() };
        loop {
            // EAGAIN: a rename somewhere on the machine came between, openat2(2).
            match rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
    }

    /// The directory that a path is in, and its name there.
    fn above<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p OsStr), Errno> {
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        let above = self.at(above.unwrap_or(Path::new(".")), OFlags::PATH | OFlags::DIRECTORY)?;
        Ok((above, path.file_name().unwrap_or(OsStr::new(""))))
    }

    /// Whether there is anything at a path, be it a link to nowhere.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.at(path.as_ref(), OFlags::PATH | OFlags::NOFOLLOW).is_ok()
    }

    /// A directory of the tree; `None` if there is none.
    pub fn directory(&self, path: impl AsRef<Path>) -> Result<Option<OwnedFd>> {
        match self.at(path.as_ref(), OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(InsideError::Read { path: self.shown(path), source: error.into() }),
        }
    }

    /// The names in a directory that are directories, sorted; none if it is not there.
    pub fn directories(&self, path: impl AsRef<Path>) -> Result<Vec<String>> {
        let Some(directory) = self.directory(&path)? else { return Ok(vec![]) };
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in rustix::fs::Dir::new(directory)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY;
                if ![".", ".."].contains(&&*name)
                    && self.at(&path.as_ref().join(&name), flags).is_ok()
                {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        list().map_err(|source| InsideError::Read { path: self.shown(&path), source })
    }

    /// A file's text; `None` if there is none.
    pub fn text(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        let Some(bytes) = self.bytes(&path)? else { return Ok(None) };
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|error| InsideError::Read {
            path: self.shown(&path),
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        })
    }

    /// What a file holds; `None` if there is none.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Result<Option<Vec<u8>>> {
        let read = |source| InsideError::Read { path: self.shown(&path), source };
        let file = match self.at(path.as_ref(), OFlags::RDONLY | OFlags::NONBLOCK) {
            Err(Errno::NOENT) => return Ok(None),
            result => result.map_err(io::Error::from).and_then(regular).map_err(read)?,
        };
        let mut bytes = Vec::new();
        (&file).read_to_end(&mut bytes).map_err(read)?;
        Ok(Some(bytes))
    }

    /// Makes a directory, with those above it, where it is missing.
    pub fn make_directory(&self, path: impl AsRef<Path>) -> Result<()> {
        let make = |path: &Path| -> Result<(), Errno> {
            let (above, name) = self.above(path)?;
            match rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o755)) {
                Err(Errno::EXIST) => self.at(path, OFlags::PATH | OFlags::DIRECTORY).map(drop),
                result => result,
            }
        };
        let mut ancestors: Vec<&Path> = path.as_ref().ancestors().collect();
        ancestors.retain(|above| !above.as_os_str().is_empty());
        ancestors.into_iter().rev().try_for_each(make).map_err(|error| self.unwritten(path, error))
    }

    /// Makes a new file with a mode. It is an error when anything is there already, a link too.
    pub fn create(&self, path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<()> {
        let create = || -> io::Result<()> {
            let (above, name) = self.above(path.as_ref())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let mode = Mode::from_raw_mode(mode);
            let file = rustix::fs::openat(&above, name, flags | OFlags::CLOEXEC, mode)?;
            rustix::fs::fchmod(&file, mode)?;
            File::from(file).write_all(bytes)
        };
        create().map_err(|error| self.unwritten(&path, error))
    }

    /// Makes a symbolic link where there is nothing.
    pub fn link(&self, path: impl AsRef<Path>, target: &str) -> Result<()> {
        let link = || -> Result<(), Errno> {
            let (above, name) = self.above(path.as_ref())?;
            rustix::fs::symlinkat(target, &above, name)
        };
        link().map_err(|error| self.unwritten(&path, error))
    }

    /// Removes a file or a link, if it is there.
    pub fn remove(&self, path: impl AsRef<Path>) -> Result<()> {
        let remove = || -> Result<(), Errno> {
            let (above, name) = self.above(path.as_ref())?;
            rustix::fs::unlinkat(&above, name, AtFlags::empty())
        };
        match remove() {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            result => result.map_err(|error| self.unwritten(&path, error)),
        }
    }

    /// Removes the symbolic links to `target` in a directory, if that is there.
    pub fn remove_links(&self, path: impl AsRef<Path>, target: &str) -> Result<()> {
        let Some(directory) = self.directory(&path)? else { return Ok(()) };
        let remove = || -> io::Result<()> {
            for entry in rustix::fs::Dir::read_from(&directory)? {
                let entry = entry?;
                let name = entry.file_name();
                let found = rustix::fs::readlinkat(&directory, name, Vec::new());
                if found.is_ok_and(|found| found.as_bytes() == target.as_bytes()) {
                    rustix::fs::unlinkat(&directory, name, AtFlags::empty())?;
                }
            }
            Ok(())
        };
        remove().map_err(|error| self.unwritten(&path, error))
    }

    /// Removes an empty directory, if it is there.
    pub fn remove_directory(&self, path: impl AsRef<Path>) -> Result<()> {
        let remove = || -> Result<(), Errno> {
            let (above, name) = self.above(path.as_ref())?;
            rustix::fs::unlinkat(&above, name, AtFlags::REMOVEDIR)
        };
        match remove() {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            result => result.map_err(|error| self.unwritten(&path, error)),
        }
    }

    fn unwritten(&self, path: impl AsRef<Path>, error: impl Into<io::Error>) -> InsideError {
        InsideError::Write { path: self.shown(path), source: error.into() }
    }

    /// Makes this all that a file has; owner and mode of one that is there stay as they are.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NONBLOCK;
        let file = self.at(path.as_ref(), flags).map_err(io::Error::from).and_then(regular);
        file.and_then(|mut file| file.write_all(content.as_ref()))
            .map_err(|source| self.unwritten(path, source))
    }

    /// Rewrites a text file, if it is there.
    pub fn edit(&self, path: impl AsRef<Path>, edit: impl Fn(&str) -> String) -> Result<()> {
        match self.text(&path)? {
            Some(text) => self.write(&path, edit(&text)),
            None => Ok(()),
        }
    }

    /// Puts a symbolic link in the place of a file.
    pub fn replace_by_link(&self, path: impl AsRef<Path>, target: &str) -> Result<()> {
        let replace = || -> Result<(), Errno> {
            let (above, name) = self.above(path.as_ref())?;
            rustix::fs::unlinkat(&above, name, AtFlags::empty())?;
            rustix::fs::symlinkat(target, &above, name)
        };
        replace().map_err(|error| self.unwritten(&path, error))
    }
}

/// What was opened, when it is a file: a script may have made a pipe of it, at which a build would
/// wait for ever.
fn regular(opened: OwnedFd) -> io::Result<File> {
    let file = File::from(opened);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::FileType;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn nobody_waits_at_a_pipe() {
        let tree = tempfile::tempdir().unwrap();
        let pipe = tree.path().join("status");
        let mode = Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, mode, 0).unwrap();
        let inside = Inside::open(tree.path()).unwrap();
        let read = inside.text("status").unwrap_err();
        assert!(matches!(read, InsideError::Read { .. }), "{read}");
        let written = inside.write("status", "text").unwrap_err();
        assert!(matches!(written, InsideError::Write { .. }), "{written}");
        // With somebody at its other end it can be opened, and is refused.
        let _reader = rustix::fs::open(&pipe, OFlags::RDWR | OFlags::NONBLOCK, mode).unwrap();
        assert!(inside.write("status", "text").is_err());
    }

    #[test]
    fn no_link_leads_out_of_a_tree() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        fs::create_dir_all(outside.join("etc")).unwrap();
        fs::write(outside.join("etc/shadow"), "mine\n").unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(tree.join("etc")).unwrap();
        let absolute = outside.to_str().unwrap();
        symlink(outside.join("etc/shadow"), tree.join("etc/shadow")).unwrap();
        symlink("../../outside/etc/shadow", tree.join("etc/gshadow")).unwrap();
        symlink(absolute, tree.join("var")).unwrap();

        let inside = Inside::open(&tree).unwrap();
        assert_eq!(inside.text("etc/shadow").unwrap(), None);
        assert_eq!(inside.text("etc/gshadow").unwrap(), None);
        assert_eq!(inside.text("var/etc/shadow").unwrap(), None);
        assert!(inside.directories("var").unwrap().is_empty());
        assert!(inside.has("var") && !inside.has("var/etc"));
        inside.edit("etc/shadow", |_| String::new()).unwrap();
        assert!(inside.write("etc/shadow", "theirs").is_err());
        assert!(inside.replace_by_link("var/etc/shadow", "/x").is_err());
        inside.remove("var/etc/shadow").unwrap();
        for path in ["var/new", "var/etc/new", "etc/shadow"] {
            assert!(inside.create(path, b"theirs", 0o777).is_err(), "{path}");
            assert!(inside.link(path, "/x").is_err(), "{path}");
            assert!(inside.make_directory(path).is_err(), "{path}");
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::read_dir(outside.join("etc")).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(outside.join("etc/shadow")).unwrap(), "mine\n");
    }

    #[test]
    fn links_inside_of_a_tree_are_followed_as_in_a_root() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("usr/lib/modules/6.1")).unwrap();
        fs::write(tree.path().join("usr/lib/file"), "one\n").unwrap();
        symlink("/usr/lib", tree.path().join("lib")).unwrap();
        let inside = Inside::open(tree.path()).unwrap();
        inside.edit("lib/file", |text| text.replace("one", "two")).unwrap();
        assert_eq!(inside.text("usr/lib/file").unwrap().as_deref(), Some("two\n"));
        assert_eq!(inside.directories("lib/modules").unwrap(), ["6.1"]);
        inside.make_directory("lib/new/deep").unwrap();
        inside.create("lib/new/deep/file", b"three", 0o600).unwrap();
        let file = tree.path().join("usr/lib/new/deep/file");
        assert_eq!(fs::read_to_string(&file).unwrap(), "three");
        inside.remove("lib/new/deep/file").unwrap();
        inside.remove("lib/new/deep/file").unwrap();
        assert!(!file.exists());
    }
}
