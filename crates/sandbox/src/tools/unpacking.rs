//! From package files to a root.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use lock::Lock;
use rustix::fs::FlockOperation;
use store::Store;
use unpack::{Control, Options, Owners, Relations, Tree};

use crate::error::{Error, Result};
use crate::program::Group;

/// What a root in the making is called.
const PART: &str = ".part-";

/// The unpacked root of a group, `name` in the cache's `tools`.
pub(super) fn unpacked(store: &Store, group: Group, lock: &Lock, name: &str) -> Result<PathBuf> {
    let tools = tools_in(store.cache_dir());
    let path = tools.join(name);
    if path.is_dir() {
        return Ok(path);
    }
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { what, path, source }
    };
    fs::create_dir_all(&tools).map_err(failed("create", &tools))?;
    // The only one to unpack, until this is dropped.
    let _lock = lock_directory(&tools).map_err(failed("lock", &tools))?;
    if path.is_dir() {
        return Ok(path);
    }
    remove_parts(&tools).map_err(failed("remove what a killed command left in", &tools))?;

    store.fetch(&lock.items())?;
    let part = tempfile::Builder::new()
        .prefix(PART)
        .tempdir_in(&tools)
        .map_err(failed("create a directory in", &tools))?;
    {
        let _shown = progress::spinner("Unpacking", format!("tools `{group}`"));
        unpack_into(store, lock, part.path())?;
        settle(part.path(), &path).map_err(failed("create", &path))?;
    }
    // It has its name now, and nothing is left to remove.
    let _ = part.keep();
    let megabytes = lock.size() / 1_000_000;
    let count = lock.packages.len();
    progress::done("Unpacked", format!("tools `{group}`: {count} packages, {megabytes} MB"));
    Ok(path)
}

/// The names of the roots in the cache folder `cache`, sorted.
pub fn roots(cache: &Path) -> Result<Vec<String>> {
    let tools = tools_in(cache);
    let list = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&tools)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() && !name.starts_with(PART) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    };
    match list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(|source| Error::Io { what: "read", path: tools.clone(), source }),
    }
}

/// Removes a root of the cache folder `cache`, and what killed commands left beside it.
pub fn remove_root(cache: &Path, name: &str) -> Result<()> {
    let tools = tools_in(cache);
    let remove = || -> io::Result<()> {
        let _lock = lock_directory(&tools)?;
        // Under another name first: a root that has its name is whole.
        let part = tempfile::Builder::new().prefix(PART).tempdir_in(&tools)?;
        fs::rename(tools.join(name), part.path().join(name))?;
        drop(part);
        remove_parts(&tools)
    };
    remove().map_err(|source| Error::Io { what: "remove", path: tools.join(name), source })
}

fn tools_in(cache: &Path) -> PathBuf {
    cache.join("tools")
}

fn unpack_into(store: &Store, lock: &Lock, directory: &Path) -> Result<()> {
    let files: Vec<PathBuf> =
        lock.packages.iter().map(|package| store.path(package.sha256)).collect();
    let options = Options { owners: Owners::Ignore, usr_merge: true };
    let tree = Tree::open(directory, &options).map_err(|source| Error::Io {
        what: "open",
        path: directory.into(),
        source,
    })?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let relations = Relations { replaces: &replaces, ..Relations::NONE };
    unpack::packages(&files, &tree, &options, threads, &relations)?;
    complete(directory).map_err(|source| Error::Io {
        what: "complete",
        path: directory.into(),
        source,
    })
}

/// Files that a configured system would have and that programs ask for.
const FILES: [(&str, &str); 3] = [
    ("passwd", "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"),
    ("group", "root:x:0:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// Adds to unpacked packages what no package holds.
fn complete(root: &Path) -> io::Result<()> {
    link_merged(root)?;
    fs::create_dir_all(root.join("etc"))?;
    FILES.iter().try_for_each(|(name, text)| fs::write(root.join("etc").join(name), text))
}

/// Links `lib64` and its like to what lies under `usr`. Releases whose packages know the merged
/// `/usr` leave the links to base-files, which is in no closure.
fn link_merged(root: &Path) -> io::Result<()> {
    for name in unpack::MERGED {
        let target = Path::new("usr").join(name);
        if root.join(&target).is_dir() && root.join(name).symlink_metadata().is_err() {
            std::os::unix::fs::symlink(&target, root.join(name))?;
        }
    }
    Ok(())
}

/// Whether `one` says that it replaces `other`. Of which versions does not matter: what is locked
/// together can be installed together.
fn replaces(one: &Control, other: &Control) -> bool {
    let named = |relation: &str| {
        let name = relation.split(['(', ':']).next().unwrap_or(relation);
        name.trim() == other.package()
    };
    one.field("Replaces").is_some_and(|relations| relations.split(',').any(named))
}

/// Gives a whole root its name, once all of it is on the disk.
fn settle(part: &Path, path: &Path) -> io::Result<()> {
    // What mktemp-like functions make is for its owner alone; tools are read by whoever builds.
    fs::set_permissions(part, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    rustix::fs::syncfs(File::open(part)?)?;
    fs::rename(part, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

fn lock_directory(tools: &Path) -> io::Result<File> {
    let lock = File::options().create(true).append(true).open(tools.join("lock"))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let _shown = progress::spinner("Waiting", "for a command that unpacks tools");
            rustix::fs::flock(lock.as_fd(), FlockOperation::LockExclusive)?;
        }
        other => other?,
    }
    Ok(lock)
}

fn remove_parts(tools: &Path) -> io::Result<()> {
    for entry in fs::read_dir(tools)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PART) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
