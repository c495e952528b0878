//! The package tree of a Debian server: from locked files to `tree.tar`.
//!
//! A [`sandbox::Job`]: it runs as root of a namespace that has a server's users, unpacks all
//! packages at once, writes dpkg's database, runs the packages' own scripts once by the tree's
//! `dpkg --configure -a`, takes away whatever would differ the next time, and writes the tree as a
//! canonical archive. The tree itself never leaves the job's scratch.
//!
//! `docs/reference/package-tree.md` says what is done to a tree, and why.

mod configure;
mod database;
mod debconf;
mod normalise;
mod relations;
mod stubs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lock::Lock;
use serde::{Deserialize, Serialize};
use store::Store;
use unpack::{Cause, Control, Options, Owners, Tree};

use crate::error::Error;
use crate::packages::{self, Clock, Inside, Produced, Times};

/// Bumped when the same lock comes to give another tree, so that old trees are not reused.
pub const VERSION: u32 = 3;

/// The job: everything that a package tree is a function of, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packages {
    /// The package files, in the lock's order (by name).
    pub files: Vec<PackageFile>,
    /// The distribution's name of the architecture: `amd64`.
    pub architecture: String,
    /// Answers to the packages' questions: `postfix/main_mailer_type` = `No configuration`.
    pub debconf: BTreeMap<String, String>,
    /// What belongs to one machine, as absolute paths: files are taken out, directories emptied.
    #[serde(default)]
    pub own: Vec<String>,
    /// The lock's day in seconds since 1970: no time in the tree is later.
    pub epoch: u64,
    /// How many packages are unpacked at a time; the result does not depend on it.
    pub threads: usize,
    /// Where `tree.tar`, `facts.json` and `paths.json` are written.
    pub out: PathBuf,
}

/// A package file, and what the lock says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// Where it lies, under whatever name.
    pub path: PathBuf,
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture: `amd64`, `all`.
    pub architecture: String,
}

impl Packages {
    /// The job of a lock whose files are in the store, with no answers.
    pub fn of(lock: &Lock, store: &Store, epoch: u64, threads: usize, out: &Path) -> Self {
        let file = |package: &lock::Package| PackageFile {
            path: store.path(package.sha256),
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
        };
        Self {
            files: lock.packages.iter().map(file).collect(),
            architecture: lock.architecture.clone(),
            debconf: BTreeMap::new(),
            own: Vec::new(),
            epoch,
            threads,
            out: out.to_owned(),
        }
    }
}

impl PackageFile {
    /// Refuses a package that is another one than the lock says.
    fn check(&self, control: &Control) -> Result<(), Error> {
        let found = [control.package(), control.version(), control.architecture()];
        if found == [&self.name, &self.version, &self.architecture] {
            return Ok(());
        }
        let package = [self.name.as_str(), &self.version, &self.architecture].join(" ");
        let cause = Box::new(Cause::OtherPackage(found.join(" ")));
        Err(Error::Unpack(unpack::Error { package, cause }))
    }
}

impl sandbox::Job for Packages {
    const NAME: &'static str = "package tree";
    type Output = Produced;

    fn run(self) -> Result<Produced, sandbox::JobFailure> {
        self.produce().map_err(|error| sandbox::JobFailure::with_hint(&error, error.hint()))
    }
}

impl Packages {
    fn produce(&self) -> Result<Produced, Error> {
        // Modes of what is written here must not depend on who started us.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let mut clock = Clock::new();
        let paths = self.files.iter().map(|file| &file.path);
        let scratch = sandbox::scratch(packages::expected_size(paths))?;
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).map_err(|source| Error::Write { path: tree.clone(), source })?;

        let unpacked = self.unpack(&tree)?;
        clock.lap("unpack");
        let inside = Inside::open(&tree)?;
        database::write(&inside, &self.architecture, &unpacked)?;
        clock.lap("database");
        let root = configure::Root {
            tree: &tree,
            inside: &inside,
            epoch: self.epoch,
            packages: &unpacked,
        };
        let selections = debconf::selections(&unpacked, &self.debconf)?;
        root.scripts(&selections, |phase| clock.lap(phase))?;
        packages::refresh(&tree, &inside, self.epoch)?;
        let times = Times::of(unpacked.iter().flat_map(|package| &package.members));
        let normal = normalise::normalise(&tree, self.epoch, &times, &self.own)?;
        clock.lap("normalise");
        let produced = packages::write(&self.out, &tree, normal, unpacked.len() as u64)?;
        clock.lap("tar");
        Ok(Produced { timings: clock.laps(), ..produced })
    }

    fn unpack(&self, tree: &Path) -> Result<Vec<unpack::Package>, Error> {
        let options = Options { owners: Owners::Keep, usr_merge: true };
        let root = Tree::open(tree, &options)
            .map_err(|source| Error::Write { path: tree.to_owned(), source })?;
        let paths: Vec<PathBuf> = self.files.iter().map(|file| file.path.clone()).collect();
        let mut packages =
            unpack::packages(&paths, &root, &options, self.threads, relations::replaces)?;
        for (file, package) in self.files.iter().zip(&packages) {
            file.check(&package.control)?;
        }
        // The first package that has a directory decides on its mode: base-files is the one that
        // knows (`/tmp`, `/root`, `/var/mail`).
        packages.sort_by_key(|package| package.control.package() != "base-files");
        root.settle(&packages, &options)?;
        Ok(packages)
    }
}
