//! Runs pacman(8) from the tool root on the tree.

use std::fs;
use std::path::{Path, PathBuf};

use sandbox::{Command, Program, Sink};

use super::Packages;
use super::database::REPOSITORY;
use super::hooks;
use super::installed::DATABASE;
use super::messages::{self, Outcome};
use super::survey::Surveyed;
use crate::error::Error;

/// Where pacman sees the tree.
const TREE: &str = "/tree";
/// Where it sees the package files, each under its name: they are bound, never copied.
const FILES: &str = "/work/packages";
/// Where it sees hooks of the build's own.
const HOOKS: &str = "/work/hooks";
/// Where it sees its configuration.
const CONFIGURATION: &str = "/work/pacman.conf";

/// A pacman for one tree.
pub(super) struct Pacman<'a> {
    job: &'a Packages,
    tree: &'a Path,
    configuration: PathBuf,
    hooks: PathBuf,
}

impl<'a> Pacman<'a> {
    /// Writes its configuration into `scratch`.
    pub(super) fn new(
        job: &'a Packages,
        scratch: &Path,
        tree: &'a Path,
        packages: &[Surveyed],
    ) -> Result<Self, Error> {
        let path = scratch.join("pacman.conf");
        fs::write(&path, configuration(&job.architecture))
            .map_err(|source| Error::Write { path: path.clone(), source })?;
        let hooks = scratch.join("hooks");
        hooks::write_masks(&hooks, packages)?;
        Ok(Self { job, tree, configuration: path, hooks })
    }

    /// Installs all packages in one transaction, with `targets` as their order. Dependencies,
    /// conflicts and files that two packages have are pacman's to check.
    pub(super) fn install(&self, packages: &[Surveyed], targets: &[&str]) -> Result<(), Error> {
        let mut command = self.command().args(["--sync", "--noprogressbar"]);
        for name in &self.job.assume_installed {
            command = command.args(["--assume-installed", name]);
        }
        for (file, surveyed) in self.job.files.iter().zip(packages) {
            command = command.bind_ro(&file.path, Path::new(FILES).join(&surveyed.file_name));
        }
        let targets = targets.iter().map(|name| format!("{REPOSITORY}/{name}"));
        self.run("install the packages", command.args(targets))
    }

    /// Notes that these packages are there because others need them.
    pub(super) fn mark_dependencies(&self, names: &[&str]) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        let command = self.command().args(["--database", "--asdeps", "--quiet"]).args(names);
        self.run("note which packages are dependencies", command)
    }

    fn command(&self) -> Command {
        Command::new(&self.job.tools, Program::Pacman.path())
            .tree(self.tree, TREE)
            .bind_ro(&self.configuration, CONFIGURATION)
            .bind_ro(&self.hooks, HOOKS)
            .epoch(self.job.epoch)
            .args(["--root", TREE, "--dbpath", &format!("{TREE}/{DATABASE}")])
            .args(["--config", CONFIGURATION, "--logfile", "/dev/null"])
            .args(["--gpgdir", "/tmp/gnupg", "--hookdir", &format!("{TREE}/etc/pacman.d/hooks")])
            // The last one has the last word.
            .args(["--hookdir", HOOKS])
            // The second is for pacman to find one that it could write to; nothing ever is.
            .args(["--cachedir", FILES, "--cachedir", "/tmp"])
            // Colours tell pacman's own messages from what scripts say.
            .args(["--noconfirm", "--color", "always"])
            .stderr(Sink::Merge)
            .accept(1)
    }

    fn run(&self, doing: &str, command: Command) -> Result<(), Error> {
        let output = command.run().map_err(|source| Error::Program {
            doing: format!("cannot {doing}"),
            source: Box::new(source),
        })?;
        match messages::judge(&output.text(), output.code) {
            Outcome::Done => Ok(()),
            Outcome::Refused(output) => {
                Err(Error::Pacman { doing: format!("pacman cannot {doing}"), output })
            }
            Outcome::Failed { step, output } => {
                Err(Error::Pacman { doing: format!("{step} failed"), output })
            }
        }
    }
}

/// pacman.conf(5).
fn configuration(architecture: &str) -> String {
    format!(
        "[options]\nArchitecture = {architecture}\n\
         # Every signature was verified, and every file is one of the lock, before pacman started.\n\
         SigLevel = Never\nLocalFileSigLevel = Never\n\n\
         [{REPOSITORY}]\nServer = file://{FILES}\n"
    )
}
