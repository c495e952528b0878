//! From package files to a root.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use lock::Lock;
use rustix::fs::FlockOperation;
use store::Store;
use unpack::{Control, Inside, InsideError, Options, Owners, Relations, Tree};

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
    complete(directory).map_err(|error| match error {
        InsideError::Read { path, source } => Error::Io { what: "read", path, source },
        InsideError::Write { path, source } => Error::Io { what: "write", path, source },
    })
}

/// Files that a configured system would have and that programs ask for.
const FILES: [(&str, &str); 3] = [
    ("passwd", "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"),
    ("group", "root:x:0:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// Adds to unpacked packages what no package holds. A package may have laid a link anywhere: this
/// is the host, and none is followed out of the root.
fn complete(root: &Path) -> Result<(), InsideError> {
    let inside = Inside::open(root)?;
    link_merged(&inside)?;
    inside.make_directory("etc")?;
    for (name, text) in FILES {
        let path = Path::new("etc").join(name);
        inside.remove(&path)?;
        inside.create(&path, text.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// Links `lib64` and its like to what lies under `usr`. Releases whose packages know the merged
/// `/usr` leave the links to base-files, which is in no closure.
fn link_merged(inside: &Inside) -> Result<(), InsideError> {
    for name in unpack::MERGED {
        let target = format!("usr/{name}");
        if inside.directory(&target)?.is_some() && !inside.has(name) {
            inside.link(name, &target)?;
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_that_packages_have_laid_lead_to_no_file_of_the_host() {
        let directory = tempfile::tempdir().unwrap();
        let host = directory.path().join("host");
        fs::create_dir(&host).unwrap();
        fs::write(host.join("passwd"), "mine\n").unwrap();

        let root = directory.path().join("one");
        fs::create_dir_all(root.join("etc")).unwrap();
        symlink(host.join("passwd"), root.join("etc/passwd")).unwrap();
        symlink("../../host/new", root.join("etc/group")).unwrap();
        complete(&root).unwrap();
        for (name, text) in FILES {
            let path = root.join("etc").join(name);
            assert!(path.symlink_metadata().unwrap().is_file(), "{name}");
            assert_eq!(fs::read_to_string(path).unwrap(), text);
        }

        let root = directory.path().join("other");
        fs::create_dir(&root).unwrap();
        symlink(&host, root.join("etc")).unwrap();
        assert!(complete(&root).is_err());

        assert_eq!(fs::read_dir(&host).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(host.join("passwd")).unwrap(), "mine\n");
    }
}
