//! The boot partition as a bootloader sees it.
//!
//! A power cut may leave directories that were made and not filled: what stands in their clusters
//! is whatever stood there before, and the crate that reads the FAT panics at some of it (it
//! computes with the numbers that it finds, and overflows). Both a panic and an error mean that
//! the file cannot be read.

use std::io::{self, Read};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use digest::Digest;
use fatfs::{FileSystem, FsOptions};

use crate::state::State;
use crate::view::View;

/// So many times its own size may be read of a filesystem.
const PATIENCE: u64 = 8;
/// The most entries of a directory (Microsoft's FAT specification: a directory has at most 65,536
/// entries of 32 bytes).
const ENTRIES: usize = 65_536;
/// How deep folders are looked into.
const DEPTH: usize = 8;

/// The boot partition of a state, read-only.
pub struct BootView {
    state: State,
    range: Range<u64>,
}

/// What stands in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its long name; the short one, in lower case where the entry says so, if it has none.
    pub name: String,
    /// It is a directory.
    pub directory: bool,
    /// Its length in bytes, by its entry.
    pub size: u64,
}

impl BootView {
    /// The partition that lies at `range`, in bytes; what is wrong, if there is no FAT.
    pub fn open(state: &State, range: Range<u64>) -> Result<Self, String> {
        let view = Self { state: state.clone(), range };
        match view.with(|_| Ok(())) {
            Ok(()) => Ok(view),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What is in the directory `path`, such as `loader/entries`, in the order of the disk, without
    /// `.` and `..`; none where it is not there or cannot be read. The root is ``.
    pub fn list(&self, path: &str) -> Option<Vec<Listed>> {
        let list = |filesystem: &Fat| {
            let directory = match path {
                "" => filesystem.root_dir(),
                path => filesystem.root_dir().open_dir(path)?,
            };
            let mut found = Vec::new();
            for entry in directory.iter().take(ENTRIES) {
                let entry = entry?;
                let (name, size) = (entry.file_name(), entry.len());
                if name != "." && name != ".." {
                    found.push(Listed { name, directory: entry.is_dir(), size });
                }
            }
            Ok(found)
        };
        self.with(list).ok()
    }

    /// All files, by their paths, sorted. Directories that cannot be read have none.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut directories = vec![(String::new(), 0)];
        while let Some((directory, depth)) = directories.pop() {
            for entry in self.list(&directory).unwrap_or_default() {
                let path = match directory.as_str() {
                    "" => entry.name,
                    directory => format!("{directory}/{}", entry.name),
                };
                match entry.directory {
                    false => files.push(path),
                    true if depth < DEPTH => directories.push((path, depth + 1)),
                    true => {}
                }
            }
        }
        files.sort();
        files
    }

    /// The content of the file `path`, whatever the case of its letters; none where it is not there
    /// or not all of it can be read.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let read = |filesystem: &Fat| {
            let size = size(filesystem, path)?;
            let mut content = Vec::new();
            filesystem.root_dir().open_file(path)?.read_to_end(&mut content)?;
            whole(size, content.len() as u64)?;
            Ok(content)
        };
        self.with(read).ok()
    }

    /// The text of a file; none where [`BootView::read`] has none, or it is no UTF-8.
    pub fn text(&self, path: &str) -> Option<String> {
        String::from_utf8(self.read(path)?).ok()
    }

    /// The digest of a file; none where [`BootView::read`] has none.
    pub fn digest(&self, path: &str) -> Option<Digest> {
        let digest = |filesystem: &Fat| {
            let size = size(filesystem, path)?;
            let (digest, read) = Digest::of_reader(filesystem.root_dir().open_file(path)?)?;
            whole(size, read)?;
            Ok(digest)
        };
        self.with(digest).ok()
    }

    /// The name of what the partition has in it: see [`State::fingerprint`].
    pub fn fingerprint(&self) -> Digest {
        self.state.fingerprint(self.range.clone())
    }

    /// Opens the filesystem for `read`.
    fn with<T>(&self, read: impl FnOnce(&Fat) -> io::Result<T>) -> io::Result<T> {
        let most = (self.range.end - self.range.start).saturating_mul(PATIENCE);
        let view = View::new(&self.state, self.range.clone(), most);
        let opened = || read(&FileSystem::new(view, FsOptions::new())?);
        // Nothing outlives a panic that it could have left half done.
        catch_unwind(AssertUnwindSafe(opened)).unwrap_or_else(|_| Err(senseless()))
    }
}

type Fat = FileSystem<View>;

/// The length of a file, by its entry.
fn size(filesystem: &Fat, path: &str) -> io::Result<u64> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let directory = match folder {
        "" => filesystem.root_dir(),
        folder => filesystem.root_dir().open_dir(folder)?,
    };
    for entry in directory.iter().take(ENTRIES) {
        let entry = entry?;
        if entry.file_name().eq_ignore_ascii_case(name) {
            return Ok(entry.len());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// An error where a chain of clusters ends before the file does.
fn whole(size: u64, read: u64) -> io::Result<()> {
    if read == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn senseless() -> io::Error {
    io::Error::other("the numbers on the disk make no sense")
}
