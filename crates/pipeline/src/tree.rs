//! From locked package files to a configured package tree, by either distribution's own means.

use std::collections::BTreeMap;
use std::path::PathBuf;

use definition::{Arch, Distribution, Epoch, Server};
use lock::{Lock, OWN};
use rootfs::arch::PackageFile;
use rootfs::first_boot::{self, Own};
use rootfs::packages::Produced;
use rootfs::{Facts, debian, packages};
use sandbox::{Group, Tools, in_namespace};
use stage::{Done, Inputs};

use crate::packages::text_of;
use crate::{Error, Session, archive};

/// A configured package tree.
pub(crate) struct Tree {
    pub(crate) done: Done,
    pub(crate) facts: Facts,
    /// What belongs to one machine: it is not in the tree.
    pub(crate) own: Vec<Own>,
}

impl Tree {
    pub(crate) fn tar(&self) -> PathBuf {
        self.done.dir.join(packages::TREE)
    }

    pub(crate) fn paths(&self) -> PathBuf {
        self.done.dir.join(packages::PATHS)
    }
}

/// Unpacks and configures the locked packages. The numeric ids are those that the packages' scripts
/// chose: the tree does not depend on the lock's ids. What is in `own` is taken out.
pub(crate) fn tree(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
    lock: &Lock,
    own: Vec<Own>,
) -> Result<Tree, Error> {
    let taken_out = first_boot::taken_out(&own);
    let done = match &server.archive.distribution {
        Distribution::Debian(_) => of_debian(session, server, lock, taken_out),
        Distribution::Arch(arch) => of_arch(session, tools, server, arch, lock, taken_out),
    }?;
    let facts = Facts::read(&done.dir.join(packages::FACTS))?;
    Ok(Tree { done, facts, own })
}

fn of_debian(
    session: &Session,
    server: &Server,
    lock: &Lock,
    own: Vec<String>,
) -> Result<Done, Error> {
    let debconf: BTreeMap<String, String> = server
        .debconf
        .iter()
        .map(|(question, answer)| (question.to_string(), answer.clone()))
        .collect();
    let epoch = epoch(lock);
    let inputs = Inputs::new("packages", debian::VERSION)
        .digest("lock", lock.packages_digest())
        .text("debconf", text_of(&debconf))
        .text("own", own.join("\n"))
        .number("epoch", epoch);
    let done = session.cache.run(server.name.as_str(), &inputs, |out| {
        session.store.fetch(&lock.items())?;
        let job = debian::Packages::of(lock, &session.store, epoch, threads(), out);
        let job = debian::Packages { debconf, own, ..job };
        configured(lock, || Ok(in_namespace(&job)?))
    })?;
    Ok(done)
}

fn of_arch(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
    asked: &Arch,
    lock: &Lock,
    own: Vec<String>,
) -> Result<Done, Error> {
    let epoch = epoch(lock);
    let mut explicit: Vec<String> = server.install.iter().map(|it| it.name.to_string()).collect();
    let own_files = lock.packages.iter().filter(|package| package.archive == OWN);
    explicit.extend(own_files.map(|package| package.name.clone()));
    let main_keys: Vec<String> = asked.main_keys.iter().map(ToString::to_string).collect();
    let inputs = Inputs::new("packages", rootfs::arch::VERSION)
        .digest("lock", lock.packages_digest())
        .text("explicit", explicit.join(" "))
        .text("main keys", main_keys.join(" "))
        .text("own", own.join("\n"))
        .digest("tools", tools.key(Group::Pacman)?)
        .number("epoch", epoch);
    let done = session.cache.run(server.name.as_str(), &inputs, |out| {
        session.store.fetch(&lock.items())?;
        archive::verify(&session.store, lock, &main_keys)?;
        let request = lock::arch::Request::new(&lock.architecture, lock.date);
        let job = rootfs::arch::Packages {
            files: lock.packages.iter().map(|package| file(session, package)).collect(),
            explicit,
            tools: tools.root(Group::Pacman)?.path().to_owned(),
            architecture: lock.architecture.clone(),
            assume_installed: request.assume_installed,
            own,
            epoch,
            threads: threads(),
            out: out.to_owned(),
        };
        configured(lock, || Ok(in_namespace(&job)?))
    })?;
    Ok(done)
}

/// A locked package in the store, and the name that pacman knows its file by.
fn file(session: &Session, package: &lock::Package) -> PackageFile {
    let name = package.path.rsplit('/').next().unwrap_or(&package.path);
    PackageFile { path: session.store.path(package.sha256), name: name.to_owned() }
}

/// Runs the job that configures the packages, in sight of the user.
fn configured(lock: &Lock, job: impl FnOnce() -> Result<Produced, Error>) -> Result<(), Error> {
    let spinner = progress::spinner("Configuring", format!("{} packages", lock.packages.len()));
    let produced = job()?;
    drop(spinner);
    for (phase, seconds) in produced.timings {
        progress::detail("", format!("{seconds:6.2} s {phase}"));
    }
    Ok(())
}

/// The package tree always has the day of the lock.
fn epoch(lock: &Lock) -> u64 {
    Epoch::of_day(lock.date).seconds()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
