//! What the caches hold, and what of it can go.
//!
//! The roots of collection are the locks of all workspaces that use the cache folder
//! (`Store::workspaces`), and the newest result of each stage for each server that there is.
//! Whatever goes can be made or fetched again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use definition::{Distribution, Workspace};
use digest::Digest;
use lock::Lock;
use sandbox::{Group, Tools};
use stage::Held;
use store::{Known, Store};

use crate::{Error, Session};

/// One of the places where files are kept.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// `packages`, `tools`, `stages` or `images`.
    pub name: &'static str,
    /// Where it is.
    pub folder: PathBuf,
    /// What it holds, in bytes on the disk.
    pub bytes: u64,
    /// How much of that no lock needs.
    pub unneeded: u64,
}

/// What the caches hold.
pub struct Caches {
    /// Each place, with its sizes.
    pub shelves: Vec<Shelf>,
    /// The workspaces whose locks were read.
    pub workspaces: Vec<PathBuf>,
    packages: Vec<Digest>,
    roots: Vec<String>,
    results: Vec<Held>,
    gone: Vec<Known>,
}

/// What the locks of all workspaces name.
#[derive(Default)]
struct Needed {
    files: BTreeSet<Digest>,
    roots: BTreeSet<String>,
}

/// Looks at the caches; changes nothing.
///
/// # Errors
/// Also when the lock of any workspace cannot be read: what it needs is not known then.
pub fn caches(session: &Session) -> Result<Caches, Error> {
    let store = &session.store;
    let mut needed = Needed::default();
    let (mut workspaces, mut gone) = (Vec::new(), Vec::new());
    for known in store.workspaces()? {
        if known.workspace.join("Cargo.toml").is_file() {
            needed.add(&known, store)?;
            workspaces.push(known.workspace);
        } else {
            gone.push(known);
        }
    }

    let mut packages = Shelf::of("packages", store.cache_dir().join("store"))?;
    let files: Vec<_> =
        store.files()?.into_iter().filter(|file| !needed.files.contains(file)).collect();
    packages.needless(files.iter().map(|file| store.path(*file)))?;

    let mut tools = Shelf::of("tools", store.cache_dir().join("tools"))?;
    let roots: Vec<_> = sandbox::roots(store.cache_dir())?
        .into_iter()
        .filter(|root| !needed.roots.contains(root))
        .collect();
    let folder = tools.folder.clone();
    tools.needless(roots.iter().map(|root| folder.join(root)))?;

    let mut stages = Shelf::of("stages", session.cache.root().join("stages"))?;
    // A program is made of several packages: `agent and init`.
    let is_alive = |_: &str, subject: &str| {
        subject.split(" and ").all(|package| session.workspace.has_package(package))
    };
    let mut results = session.cache.inventory(is_alive)?;
    results.retain(|held| !held.needed);
    stages.needless(results.iter().map(|held| held.path.clone()))?;

    let images = Shelf::of("images", session.images())?;
    let shelves = vec![packages, tools, stages, images];
    Ok(Caches { shelves, workspaces, packages: files, roots, results, gone })
}

impl Caches {
    /// Removes what no lock needs. What another command uses just now stays.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn collect(&self, session: &Session) -> Result<(), Error> {
        for known in &self.gone {
            session.store.forget_workspace(known)?;
        }
        for root in &self.roots {
            sandbox::remove_root(session.store.cache_dir(), root)?;
        }
        for held in &self.results {
            session.cache.remove(held)?;
        }
        for file in &self.packages {
            session.store.remove(*file)?;
        }
        Ok(())
    }
}

impl Needed {
    /// Adds what the locks of a workspace name.
    fn add(&mut self, known: &Known, store: &Store) -> Result<(), Error> {
        let unread = |source: Error| Error::OtherWorkspace {
            workspace: known.workspace.clone(),
            record: known.record.clone(),
            source: Box::new(source),
        };
        let workspace = Workspace::load(&known.workspace).map_err(|it| unread(it.into()))?;
        for name in workspace.servers() {
            let server = workspace.server(name).map_err(|it| unread(it.into()))?;
            if matches!(server.archive.distribution, Distribution::Arch(_)) {
                self.files.insert(lock::arch::main_keys().digest);
            }
            let path = server.lock_path();
            if path.is_file() {
                self.add_lock(&Lock::read(&path).map_err(|it| unread(it.into()))?);
            }
        }
        if workspace.root().join("tools.lock").is_file() {
            let tools = Tools::open(workspace.root(), store).map_err(|it| unread(it.into()))?;
            self.roots.extend(tools.names().map_err(|it| unread(it.into()))?);
            for group in Group::ALL {
                self.add_lock(tools.locked(group).map_err(|it| unread(it.into()))?);
            }
        }
        Ok(())
    }

    fn add_lock(&mut self, lock: &Lock) {
        self.files.extend(lock.items().iter().map(|item| item.digest));
        self.files.extend(lock.indexes.iter().map(|index| index.sha256));
    }
}

impl Shelf {
    fn of(name: &'static str, folder: PathBuf) -> Result<Self, Error> {
        let bytes = size(&folder)?;
        Ok(Self { name, folder, bytes, unneeded: 0 })
    }

    /// Counts what nobody needs.
    fn needless(&mut self, paths: impl Iterator<Item = PathBuf>) -> Result<(), Error> {
        for path in paths {
            self.unneeded += size(&path)?;
        }
        Ok(())
    }
}

/// Bytes that a file, or everything in a folder, takes on the disk; 0 for what is not there, since
/// other commands may be at work. A file with several names counts once.
fn size(path: &Path) -> Result<u64, Error> {
    let mut seen = BTreeSet::new();
    let mut bytes = 0;
    let mut rest = vec![path.to_owned()];
    while let Some(path) = rest.pop() {
        let failed = Error::io("read", &path);
        let read = || -> io::Result<(fs::Metadata, Vec<PathBuf>)> {
            let metadata = path.symlink_metadata()?;
            let entries = if metadata.is_dir() {
                let entries = fs::read_dir(&path)?.map(|entry| entry.map(|it| it.path()));
                entries.collect::<io::Result<_>>()?
            } else {
                Vec::new()
            };
            Ok((metadata, entries))
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok((metadata, entries)) => {
                if seen.insert((metadata.dev(), metadata.ino())) {
                    bytes += metadata.blocks() * 512;
                }
                rest.extend(entries);
            }
        }
    }
    Ok(bytes)
}
