//! Runs the packages' own scripts, each once, in the tree.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use sandbox::RootCommand;
use unpack::Package;

use super::database::{ADMIN, info_name};
use super::stubs::{Arguments, Fate, SCRIPT, STUBS};
use crate::error::Error;
use crate::packages::{Inside, kernels};

/// What the sandbox lays over the tree. It makes an empty file for the time where there is none;
/// when two commands run at a time, the file must outlive either.
const LAID: [&str; 2] = ["etc/hosts", "usr/sbin/policy-rc.d"];

/// A tree whose packages are unpacked and whose database says so.
pub(super) struct Root<'a> {
    pub(super) tree: &'a Path,
    /// The same, for what is done here and not by a program of the tree.
    pub(super) inside: &'a Inside,
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
            self.inside.remove(path)?;
        }
        self.check()?;
        lap("deferred");
        Ok(())
    }

    /// Makes the files of [`LAID`] that are missing.
    fn make_places(&self) -> Result<Vec<&'static str>, Error> {
        let missing: Vec<_> = LAID.into_iter().filter(|path| !self.inside.has(path)).collect();
        for path in &missing {
            self.inside.create(path, b"", 0o644)?;
        }
        Ok(missing)
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
            let _ = writeln!(
                script,
                "DPKG_MAINTSCRIPT_PACKAGE={} DPKG_MAINTSCRIPT_ARCH={} {} install || \
                 {{ echo {} >&2; exit 1; }}",
                quoted(package.control.package()),
                quoted(package.control.architecture()),
                quoted(&format!("/{ADMIN}/info/{name}.preinst")),
                quoted(&format!("the preinst of {name} failed")),
            );
        }
        if !selections.is_empty() {
            let _ = writeln!(script, "printf %s {} | debconf-set-selections", quoted(selections));
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
        let path = Path::new(ADMIN).join("status");
        let status = self.inside.text(&path)?.ok_or_else(|| Error::Read {
            path: self.inside.shown(&path),
            source: io::ErrorKind::NotFound.into(),
        })?;
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
        self.inside.has(path)
    }

    /// base-files and others want an `awk` before the package that brings one is configured;
    /// update-alternatives replaces the link.
    fn link_awk(&self) -> Result<(), Error> {
        let awk = "usr/bin/awk";
        let programs = ["mawk", "gawk", "original-awk"];
        let program =
            programs.into_iter().find(|program| self.inside.has(format!("usr/bin/{program}")));
        match program {
            Some(program) if !self.inside.has(awk) => self.inside.link(awk, program),
            _ => Ok(()),
        }
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
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
