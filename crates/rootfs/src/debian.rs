//! The package tree of a Debian server: from locked files to `tree.tar`.
//!
//! A [`sandbox::Job`]: it runs as root of a namespace that has a server's users, unpacks all
//! packages at once, writes dpkg's database, runs the packages' own scripts once by the tree's
//! `dpkg --configure -a`, takes away whatever would differ the next time, and writes the tree as a
//! canonical archive. Packages that need dpkg's order come in `rounds` behind the first. The tree
//! itself never leaves the job's scratch.
//!
//! `docs/reference/package-tree.md` says what is done to a tree, and why.

mod configure;
mod database;
mod debconf;
mod failure;
mod here_documents;
mod normalise;
mod preinst;
mod relations;
mod rounds;
mod stubs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lock::Lock;
use serde::{Deserialize, Serialize};
use store::Store;
use unpack::{Cause, Control, Deb, Inside, Options, Owners, Package, Relations, Rules, Tree};

use crate::error::Error;
use crate::packages::{self, Clock, Produced, Times};

use relations::Places;
use rounds::Rounds;

/// Bumped when the same lock comes to give another tree, so that old trees are not reused.
pub const VERSION: u32 = 6;

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

        let controls = self.controls()?;
        let inside = Inside::open(&tree)?;
        let kernel = rounds::kernel(&controls);
        let root = configure::Root { tree: &tree, inside: &inside, epoch: self.epoch, kernel };
        let mut unpacked = Vec::new();
        let mut made = Vec::new();
        let Rounds { essential, rounds, order } = rounds::of(&controls);
        let places = Places::new(&controls, &order);
        let essential: Vec<&Control> = essential.into_iter().map(|it| &controls[it]).collect();
        for (number, round) in rounds.iter().enumerate() {
            let of_round: Vec<&Control> = round.iter().map(|package| &controls[*package]).collect();
            let is_first = number == 0;
            if is_first {
                unpacked = self.unpack(&tree, round, &places)?;
                clock.lap("unpack");
                database::write(&inside, &self.architecture, &unpacked)?;
                clock.lap("database");
                made = root.prepare()?;
            } else {
                database::announce(&inside, &unpacked, &of_round)?;
                root.preinst(&of_round)?;
                clock.lap("preinst");
                let before: Vec<usize> = unpacked.iter().map(|it| it.members.len()).collect();
                self.unpack_more(&tree, round, &root.rules()?, &places, &mut unpacked)?;
                database::add(&inside, &unpacked, &before)?;
                clock.lap("unpack");
            }
            let mut scripts = || {
                if is_first {
                    root.preinst(&of_round)?;
                    root.answer(&debconf::selections(&controls, &self.debconf))?;
                    clock.lap("preinst");
                    root.configure_essential(&essential)?;
                }
                root.configure()?;
                clock.lap("configure");
                Ok(())
            };
            if number + 1 == rounds.len() { root.beside(scripts)? } else { scripts()? }
        }
        root.finish(&made)?;
        debconf::settle(&inside, &controls, &self.debconf)?;
        packages::refresh(&tree, &inside, self.epoch)?;
        clock.lap("deferred");
        let times = Times::of(unpacked.iter().flat_map(|package| &package.members));
        let normal = normalise::normalise(&tree, self.epoch, &times, &self.own)?;
        clock.lap("normalise");
        let produced = packages::write(&self.out, &tree, normal, unpacked.len() as u64)?;
        clock.lap("tar");
        Ok(Produced { timings: clock.laps(), ..produced })
    }

    /// What the packages say of themselves, as the lock has them.
    fn controls(&self) -> Result<Vec<Control>, Error> {
        let control = |file: &PackageFile| {
            let control = Deb::open(&file.path)?.control().clone();
            file.check(&control)?;
            Ok(control)
        };
        self.files.iter().map(control).collect()
    }

    fn unpack(&self, tree: &Path, round: &[usize], places: &Places) -> Result<Vec<Package>, Error> {
        let root = open(tree)?;
        let paths = self.paths(round);
        let precedes = |one: &Control, other: &Control| places.precedes(one, other);
        let relations = Relations { replaces: &relations::replaces, precedes: &precedes };
        let mut packages = unpack::packages(&paths, &root, &OPTIONS, self.threads, &relations)?;
        // The first package that has a directory decides on its mode: base-files is the one that
        // knows (`/tmp`, `/root`, `/var/mail`).
        packages.sort_by_key(|package| package.control.package() != "base-files");
        root.settle(&packages, &OPTIONS)?;
        Ok(packages)
    }

    /// Unpacks the packages of a later round.
    fn unpack_more(
        &self,
        tree: &Path,
        round: &[usize],
        rules: &Rules,
        places: &Places,
        unpacked: &mut Vec<Package>,
    ) -> Result<(), Error> {
        let (root, paths) = (open(tree)?, self.paths(round));
        let precedes = |one: &Control, other: &Control| places.precedes(one, other);
        let relations = Relations { replaces: &relations::replaces, precedes: &precedes };
        unpack::more_packages(&paths, unpacked, &root, &OPTIONS, self.threads, rules, &relations)?;
        Ok(())
    }

    fn paths(&self, round: &[usize]) -> Vec<PathBuf> {
        round.iter().map(|package| self.files[*package].path.clone()).collect()
    }
}

const OPTIONS: Options = Options { owners: Owners::Keep, usr_merge: true };

fn open(tree: &Path) -> Result<Tree, Error> {
    Tree::open(tree, &OPTIONS).map_err(|source| Error::Write { path: tree.to_owned(), source })
}
