//! The package tree of an Arch server: from locked files to `tree.tar`.
//!
//! A [`sandbox::Job`]: it runs as root of a namespace that has a server's users, reads every package
//! to its end and refuses what pacman should not see, makes one repository of exactly these files,
//! has the pinned pacman of the tool root install all of them in one transaction, takes away
//! whatever would differ the next time, and writes the tree as a canonical archive. The tree itself
//! never leaves the job's scratch.
//!
//! `docs/reference/package-tree.md` says what is done to a tree, and why.

mod database;
mod directories;
mod hooks;
mod installed;
mod messages;
mod normalise;
mod order;
mod pacman;
mod survey;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sandbox::RootCommand;
use serde::{Deserialize, Serialize};
use unpack::{ArchPackage, Inside, check_links};

use crate::error::Error;
use crate::packages::{self, Clock, Produced, kernels};
use directories::Directories;
use pacman::Pacman;
use survey::Surveyed;

/// Bumped when the same lock comes to give another tree, so that old trees are not reused.
pub const VERSION: u32 = 3;

/// What makes a kernel's `modules.dep`, mostly by a hook.
const DEPMOD: &str = "usr/bin/depmod";

/// The job: everything that a package tree is a function of, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packages {
    /// The package files, in the lock's order (by name). Their signatures are verified already.
    pub files: Vec<PackageFile>,
    /// The packages and groups that were asked for: the others are there because these need them.
    pub explicit: Vec<String>,
    /// The root of the tool group that has pacman.
    pub tools: PathBuf,
    /// The distribution's name of the architecture: `x86_64`.
    pub architecture: String,
    /// What is taken to be installed without being it: `initramfs`, with `=VERSION` or without.
    pub assume_installed: Vec<String>,
    /// What belongs to one machine, as absolute paths: files are taken out, directories emptied.
    #[serde(default)]
    pub own: Vec<String>,
    /// The lock's day in seconds since 1970: no time in the tree is later.
    pub epoch: u64,
    /// How many packages are read at a time; the result does not depend on it.
    pub threads: usize,
    /// Where `tree.tar`, `facts.json` and `paths.json` are written.
    pub out: PathBuf,
}

/// A package file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// Where it lies, under whatever name.
    pub path: PathBuf,
    /// What its archive calls it: `bash-5.2.026-2-x86_64.pkg.tar.zst`.
    pub name: String,
}

impl sandbox::Job for Packages {
    const NAME: &'static str = "package tree of Arch";
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
        let surveyed = survey::survey(&self.files, self.threads)?;
        let read = || surveyed.iter().map(|surveyed| &surveyed.package);
        check_links(read())?;
        clock.lap("check");

        let paths = self.files.iter().map(|file| &file.path);
        let scratch = sandbox::scratch(packages::expected_size(paths))?;
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).map_err(|source| Error::Write { path: tree.clone(), source })?;
        let directories = Directories::make(&tree, &surveyed)?;
        let pacman = Pacman::new(self, scratch.path(), &tree, &surveyed)?;
        database::write(&tree, &surveyed)?;
        pacman.install(&surveyed, &order::targets(&surveyed, &self.asked_for(&surveyed)))?;
        clock.lap("install");
        let inside = Inside::open(&tree)?;
        installed::check(&inside, &surveyed)?;
        pacman.mark_dependencies(&self.dependencies(&surveyed))?;
        self.depmod(&tree, &inside)?;
        directories.settle(&inside)?;
        clock.lap("finish");
        packages::refresh(&tree, &inside, self.epoch)?;
        let members = surveyed.iter().flat_map(|surveyed| &surveyed.package.members);
        let normal = normalise::normalise(&tree, self.epoch, members, &self.own)?;
        clock.lap("normalise");
        let produced = packages::write(&self.out, &tree, normal, surveyed.len() as u64)?;
        clock.lap("tar");
        Ok(Produced { timings: clock.laps(), ..produced })
    }

    /// The packages that nobody asked for, by name, by group or by what they provide.
    fn dependencies<'p>(&self, surveyed: &'p [Surveyed]) -> Vec<&'p str> {
        let explicit = self.asked_for(surveyed);
        let names = surveyed.iter().map(|it| it.package.info.name());
        names.filter(|name| !explicit.contains(name)).collect()
    }

    /// The packages that somebody asked for.
    fn asked_for<'p>(&self, surveyed: &'p [Surveyed]) -> BTreeSet<&'p str> {
        let names: BTreeSet<&str> = surveyed.iter().map(|it| it.package.info.name()).collect();
        let is_explicit = |package: &ArchPackage| {
            let info = &package.info;
            let provided = |asked: &str| {
                let mut provides = info.all("provides");
                provides.any(|provided| provided.split('=').next() == Some(asked))
            };
            self.explicit.iter().any(|asked| {
                info.name() == asked
                    || info.all("group").any(|group| group == asked)
                    || (!names.contains(asked.as_str()) && provided(asked))
            })
        };
        let explicit = surveyed.iter().map(|it| &it.package).filter(|package| is_explicit(package));
        explicit.map(|package| package.info.name()).collect()
    }

    /// Does for each kernel what kmod's hook does, where no hook has.
    fn depmod(&self, tree: &Path, inside: &Inside) -> Result<(), Error> {
        if !inside.has(DEPMOD) {
            return Ok(());
        }
        for version in kernels(tree)? {
            let modules = Path::new("usr/lib/modules").join(&version);
            if inside.has(modules.join("modules.dep")) || !inside.has(modules.join("kernel")) {
                continue;
            }
            let command = RootCommand::new(tree, Path::new("/").join(DEPMOD)).arg(&version);
            command.epoch(self.epoch).run().map_err(|source| Error::Program {
                doing: format!("cannot run {DEPMOD} {version}"),
                source: Box::new(source),
            })?;
        }
        Ok(())
    }
}
