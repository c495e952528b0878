//! Runs the packages' own scripts, each once, in the tree.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sandbox::RootCommand;
use unpack::Package;

use super::database::{ADMIN, info_name};
use super::stubs::{Arguments, Fate, SCRIPT, STUBS};
use crate::error::Error;
use crate::packages::kernels;

/// What the sandbox lays over the tree. It makes an empty file for the time where there is none;
/// when two commands run at a time, the file must outlive either.
const LAID: [&str; 2] = ["etc/hosts", "usr/sbin/policy-rc.d"];

/// A tree whose packages are unpacked and whose database says so.
pub(super) struct Root<'a> {
    pub(super) tree: &'a Path,
    pub(super) epoch: u64,
    pub(super) packages: &'a [Package],
}

impl Root<'_> {
    /// Runs all scripts, each once, and meanwhile what can run beside them. `lap` is told when a
    /// phase is over.
    pub(super) fn scripts(&self, selections: &str, mut lap: impl FnMut(&str)) -> Result<(), Error> {
        let made = self.make_places()?;
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| self.beside());
            self.preinst(selections)?;
            lap("preinst");
            self.configure()?;
            lap("configure");
            beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        self.deferred()?;
        for path in made {
            fs::remove_file(&path).map_err(|source| Error::Write { path, source })?;
        }
        self.check()?;
        lap("deferred");
        Ok(())
    }

    /// Makes the files of [`LAID`] that are missing.
    fn make_places(&self) -> Result<Vec<PathBuf>, Error> {
        let mut made = Vec::new();
        for path in LAID.map(|path| self.tree.join(path)) {
            match File::create_new(&path) {
                Ok(_) => made.push(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::Write { path, source }),
            }
        }
        Ok(made)
    }

    /// Runs every `preinst install`, base-passwd's first because it makes the account files, and
    /// then answers debconf's questions.
    fn preinst(&self, selections: &str) -> Result<(), Error> {
        self.link_awk()?;
        let mut script = String::from("set -e\ncd /\n");
        let mut packages: Vec<&Package> = self
            .packages
            .iter()
            .filter(|package| package.control.files.contains_key("preinst"))
            .collect();
        packages.sort_by_key(|package| package.control.package() != "base-passwd");
        for package in packages {
            let name = info_name(&package.control);
            // Names of packages and architectures have no character that a shell reads (policy
            // 5.6.7); dpkg's database could not hold others either.
            let _ = writeln!(
                script,
                "DPKG_MAINTSCRIPT_PACKAGE='{}' DPKG_MAINTSCRIPT_ARCH='{}' \
                 /{ADMIN}/info/{name}.preinst install || \
                 {{ echo 'the preinst of {name} failed' >&2; exit 1; }}",
                quoted(package.control.package()),
                quoted(package.control.architecture()),
            );
        }
        if !selections.is_empty() {
            let quoted = selections.replace('\'', r"'\''");
            let _ = writeln!(script, "printf %s '{quoted}' | debconf-set-selections");
        }
        self.run("run the packages' preinst scripts", self.command("/bin/sh").stdin(script))
    }

    /// Runs every `postinst configure` and every trigger.
    fn configure(&self) -> Result<(), Error> {
        // The first failure ends it, so that the failed script's words are the last ones.
        let options =
            ["--force-unsafe-io", "--log=/dev/null", "--abort-after=1", "--configure", "-a"];
        let command = self.command("/usr/bin/dpkg").args(options);
        self.run("configure the packages", command)
    }

    /// Runs what can run beside the scripts.
    fn beside(&self) -> Result<(), Error> {
        for stub in STUBS.iter().filter(|stub| self.has(stub.path)) {
            let Fate::Beside(arguments) = stub.fate else { continue };
            let runs: Vec<Vec<String>> = match arguments {
                Arguments::Fixed(fixed) => vec![fixed.iter().map(|arg| arg.to_string()).collect()],
                Arguments::KernelVersion => {
                    kernels(self.tree)?.into_iter().map(|version| vec![version]).collect()
                }
            };
            for arguments in runs {
                let command = RootCommand::new(self.tree, stub.path).args(arguments);
                self.run(&format!("run {}", stub.path), self.environment(command))?;
            }
        }
        Ok(())
    }

    /// Does, once, what the stubs left for later.
    fn deferred(&self) -> Result<(), Error> {
        for stub in STUBS.iter().filter(|stub| stub.fate == Fate::Deferred) {
            if self.has(stub.path) {
                let command = self.environment(RootCommand::new(self.tree, stub.path));
                self.run(&format!("run {}", stub.path), command)?;
            }
        }
        Ok(())
    }

    /// Makes sure that dpkg left nothing half done.
    fn check(&self) -> Result<(), Error> {
        let path = self.tree.join(ADMIN).join("status");
        let status = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
        let unfinished = unfinished(&status);
        if unfinished.is_empty() { Ok(()) } else { Err(Error::NotInstalled(unfinished)) }
    }

    fn command(&self, program: &str) -> RootCommand {
        let command = RootCommand::new(self.tree, program);
        let stubs = STUBS.iter().filter(|stub| self.has(stub.path));
        self.environment(stubs.fold(command, |command, stub| command.stub(stub.path, SCRIPT)))
    }

    fn environment(&self, command: RootCommand) -> RootCommand {
        command
            .epoch(self.epoch)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("DEBCONF_NONINTERACTIVE_SEEN", "true")
            .env("DEBCONF_NOWARNINGS", "yes")
            .env("DPKG_ADMINDIR", format!("/{ADMIN}"))
            .env("DPKG_ROOT", "")
            .env("DPKG_MAINTSCRIPT_NAME", "preinst")
            .env("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1")
    }

    fn run(&self, doing: &str, command: RootCommand) -> Result<(), Error> {
        command.run().map(drop).map_err(|source| Error::Program {
            doing: format!("cannot {doing}"),
            source: Box::new(source),
        })
    }

    fn has(&self, path: &str) -> bool {
        self.tree.join(path.trim_start_matches('/')).symlink_metadata().is_ok()
    }

    /// base-files and others want an `awk` before the package that brings one is configured;
    /// update-alternatives replaces the link.
    fn link_awk(&self) -> Result<(), Error> {
        let awk = self.tree.join("usr/bin/awk");
        let Some(program) = ["mawk", "gawk", "original-awk"]
            .into_iter()
            .find(|awk| self.has(&format!("usr/bin/{awk}")))
        else {
            return Ok(());
        };
        match symlink(program, &awk) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::Write { path: awk, source: error })
            }
            _ => Ok(()),
        }
    }
}

fn quoted(text: &str) -> String {
    text.replace('\'', "")
}

/// The packages of a `status` file that are not installed, with their state.
fn unfinished(status: &str) -> Vec<String> {
    let stanzas = status.split("\n\n").filter(|stanza| !stanza.trim().is_empty());
    stanzas
        .filter_map(|stanza| {
            let field = |name| stanza.lines().find_map(|line| line.strip_prefix(name));
            let state = field("Status: ").unwrap_or("no status");
            let name = field("Package: ").unwrap_or("?");
            (state != "install ok installed").then(|| format!("{name} ({state})"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_not_installed_is_named_with_its_state() {
        let status = "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: install ok \
                      half-configured\n\n";
        assert_eq!(unfinished(status), ["b (install ok half-configured)"]);
        assert!(unfinished("").is_empty());
    }
}
