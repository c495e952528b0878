//! Runs the packages' own scripts, each once, in the tree.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use sandbox::RootCommand;
use unpack::{Control, Inside, Override, Rules};

use super::database::{ADMIN, DIVERSIONS, OVERRIDES, info_name};
use super::failure;
use super::stubs::{Arguments, Fate, MARKS, STUBS, Stub};
use crate::accounts;
use crate::error::Error;
use crate::packages::kernels;

/// The options of a dpkg that configures. The first failure ends it, so that the failed script's
/// words are the last ones.
pub(super) const CONFIGURE: [&str; 4] =
    ["--force-unsafe-io", "--log=/dev/null", "--abort-after=1", "--configure"];

/// Where dpkg has the control archive of a package whose preinst it runs.
const UNPACKED: &str = "/var/lib/dpkg/tmp.ci";

/// Where certificates are, each with a link that OpenSSL finds it by.
const CERTIFICATES: &str = "etc/ssl/certs";

/// The certificate that ssl-cert makes for the machine on which it is installed.
const SNAKEOIL: &str = "ssl-cert-snakeoil.pem";

/// What the sandbox lays over the tree. It makes an empty file for the time where there is none;
/// when two commands run at a time, the file must outlive either.
const LAID: [&str; 2] = ["etc/hosts", "usr/sbin/policy-rc.d"];

/// A tree with packages in it, whose scripts are run.
pub(super) struct Root<'a> {
    pub(super) tree: &'a Path,
    /// The same, for what is done here and not by a program of the tree.
    pub(super) inside: &'a Inside,
    pub(super) epoch: u64,
    /// The newest of the kernels that the packages bring.
    pub(super) kernel: Option<String>,
}

impl Root<'_> {
    /// Makes what scripts expect and no package has. What comes back has to go at the end.
    pub(super) fn prepare(&self) -> Result<Vec<&'static str>, Error> {
        self.link_awk()?;
        self.inside.make_directory(MARKS)?;
        let missing: Vec<_> = LAID.into_iter().filter(|path| !self.inside.has(path)).collect();
        for path in &missing {
            self.inside.create(path, b"", 0o644)?;
        }
        Ok(missing)
    }

    /// Does the work, and beside it what can be done beside scripts of packages that are all
    /// unpacked.
    pub(super) fn beside(&self, work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| {
                let mut stubs = STUBS.iter().filter(|stub| matches!(stub.fate, Fate::Beside(_, _)));
                stubs.try_for_each(|stub| self.run_stub(stub))
            });
            work()?;
            beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs every `preinst install`, base-passwd's first because it makes the account files.
    pub(super) fn preinst(&self, packages: &[&Control]) -> Result<(), Error> {
        let mut packages: Vec<&Control> = packages
            .iter()
            .copied()
            .filter(|package| package.files.contains_key("preinst"))
            .collect();
        if packages.is_empty() {
            return Ok(());
        }
        packages.sort_by_key(|package| package.package() != "base-passwd");
        let mut script = String::from("set -e\ncd /\n");
        for package in packages {
            let name = info_name(package);
            let before = as_unpacked(package);
            let path = match &before {
                Some(_) => format!("{UNPACKED}/preinst"),
                None => format!("/{ADMIN}/info/{name}.preinst"),
            };
            script.extend(before);
            let _ = writeln!(
                script,
                "DPKG_MAINTSCRIPT_PACKAGE={} DPKG_MAINTSCRIPT_ARCH={} {} install || \
                 {{ echo {} >&2; exit 1; }}",
                quoted(package.package()),
                quoted(package.architecture()),
                quoted(&path),
                quoted(&format!("{}{name}", failure::PREINST)),
            );
        }
        let _ = writeln!(script, "rm -rf {UNPACKED}");
        let ran = self.command("/bin/sh").stdin(script).run();
        ran.map(drop).map_err(|error| failure::of_preinst(self, error))
    }

    /// Answers debconf's questions.
    pub(super) fn answer(&self, selections: &str) -> Result<(), Error> {
        if selections.is_empty() {
            return Ok(());
        }
        let program = "/usr/bin/debconf-set-selections";
        self.run("answer debconf's questions", self.command(program).stdin(selections))
    }

    /// Runs the `postinst configure` of the essential packages and of what they depend on: scripts of
    /// all others expect that. Their triggers are left for [`Root::configure`].
    pub(super) fn configure_essential(&self, packages: &[&Control]) -> Result<(), Error> {
        if packages.is_empty() {
            return Ok(());
        }
        let names = packages.iter().map(|package| info_name(package));
        let command = self.command("/usr/bin/dpkg").arg("--no-triggers").args(CONFIGURE);
        let ran = command.args(names).run();
        ran.map(drop).map_err(|error| failure::of_configuring(self, error))
    }

    /// Runs every `postinst configure` and every trigger.
    pub(super) fn configure(&self) -> Result<(), Error> {
        let command = self.command("/usr/bin/dpkg").args(CONFIGURE).arg("-a");
        command.run().map(drop).map_err(|error| failure::of_configuring(self, error))
    }

    /// Does what the stubs left for the end, and takes away what was made for the time.
    pub(super) fn finish(&self, made: &[&str]) -> Result<(), Error> {
        for stub in STUBS.iter().filter(|stub| self.inside.has(stub.mark())) {
            self.inside.remove(stub.mark())?;
            self.run_stub(stub)?;
        }
        for stub in &STUBS {
            self.inside.remove(stub.mark())?;
        }
        // The certificate belongs to one machine and does not stay; nor do names for it.
        self.inside.remove_links(CERTIFICATES, SNAKEOIL)?;
        self.inside.remove_directory(MARKS)?;
        made.iter().try_for_each(|path| self.inside.remove(path))?;
        self.check()
    }

    /// Does the work of a covered program.
    fn run_stub(&self, stub: &Stub) -> Result<(), Error> {
        let runs: Vec<Vec<String>> = match stub.fate {
            _ if !self.has(stub.path) => vec![],
            Fate::Beside(Arguments::Fixed(fixed), _) => {
                vec![fixed.iter().map(|arg| arg.to_string()).collect()]
            }
            Fate::Beside(Arguments::KernelVersion, _) => {
                kernels(self.tree)?.into_iter().map(|version| vec![version]).collect()
            }
            Fate::Deferred(_) => vec![vec![]],
            _ => vec![],
        };
        for arguments in runs {
            let command = RootCommand::new(self.tree, stub.path).args(arguments);
            self.run(&format!("run {}", stub.path), self.environment(command))?;
        }
        Ok(())
    }

    /// What dpkg's database says by now of where files go and whose they are.
    pub(super) fn rules(&self) -> Result<Rules, Error> {
        let text = |name: &str| self.inside.text(Path::new(ADMIN).join(name));
        let read = |path: &str| self.inside.text(path).map(Option::unwrap_or_default);
        let users = accounts::ids("/etc/passwd", &read("etc/passwd")?)?;
        let groups = accounts::ids("/etc/group", &read("etc/group")?)?;
        let id = |ids: &std::collections::BTreeMap<String, u32>, name: &str| match name
            .strip_prefix('#')
        {
            Some(number) => number.parse().ok(),
            None => ids.get(name).copied(),
        };
        let mut overrides = HashMap::new();
        for (line, entry) in text(OVERRIDES)?.unwrap_or_default().lines().enumerate() {
            let read = || {
                let mut words = entry.splitn(4, ' ');
                let uid = id(&users, words.next()?)?;
                let gid = id(&groups, words.next()?)?;
                let mode = u32::from_str_radix(words.next()?, 8).ok()? & 0o7777;
                Some((words.next()?.as_bytes().to_vec(), Override { uid, gid, mode }))
            };
            let (path, stat) = read().ok_or_else(|| Error::Malformed {
                path: "/var/lib/dpkg/statoverride",
                line: line + 1,
                message: "this is no user, group, mode and path".to_owned(),
            })?;
            overrides.insert(path, stat);
        }
        Ok(Rules::new(&text(DIVERSIONS)?.unwrap_or_default(), overrides, ADMIN)?)
    }

    /// Makes sure that dpkg left nothing half done.
    fn check(&self) -> Result<(), Error> {
        let unfinished = unfinished(&self.status()?);
        let said = |(name, state)| format!("{name} ({state})");
        if unfinished.is_empty() {
            Ok(())
        } else {
            Err(Error::NotInstalled(unfinished.into_iter().map(said).collect()))
        }
    }

    /// dpkg's file of packages and their states.
    pub(super) fn status(&self) -> Result<String, Error> {
        let path = Path::new(ADMIN).join("status");
        self.inside.text(&path)?.ok_or_else(|| Error::Read {
            path: self.inside.shown(&path),
            source: io::ErrorKind::NotFound.into(),
        })
    }

    /// A program of the tree, with the stubs over others.
    pub(super) fn command(&self, program: &str) -> RootCommand {
        let command = RootCommand::new(self.tree, program);
        let stubs = STUBS.iter().filter(|stub| self.has(stub.path));
        let cover = |command: RootCommand, stub: &Stub| {
            command.stub(stub.path, stub.script(self.kernel.as_deref()))
        };
        self.environment(stubs.fold(command, cover))
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
        if let Some(program) = program.filter(|_| !self.inside.has(awk)) {
            self.inside.link(awk, program)?;
        }
        Ok(())
    }
}

/// Commands that put a package's control archive where dpkg has it while a preinst runs: for those
/// that look there. debconf does, for the package's name and templates.
fn as_unpacked(package: &Control) -> Option<String> {
    let preinst = package.text("preinst")?;
    let looks = ["confmodule", "tmp.ci", "$0", "BASH_SOURCE"];
    if !looks.iter().any(|word| preinst.contains(word)) {
        return None;
    }
    let mut script = format!("rm -rf {UNPACKED}\nmkdir {UNPACKED}\n");
    let name = info_name(package);
    for kind in package.files.keys() {
        let to = quoted(&format!("{UNPACKED}/{kind}"));
        let _ = match kind.as_str() {
            "control" => {
                let text = package.text("control").unwrap_or_default();
                writeln!(script, "printf %s {} > {to}", quoted(text))
            }
            "list" => Ok(()),
            _ => writeln!(script, "ln {} {to}", quoted(&format!("/{ADMIN}/info/{name}.{kind}"))),
        };
    }
    Some(script)
}

/// A text as one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The packages of a `status` file that are not installed, with their state.
pub(super) fn unfinished(status: &str) -> Vec<(String, String)> {
    let stanzas = status.split("\n\n").filter(|stanza| !stanza.trim().is_empty());
    stanzas
        .filter_map(|stanza| {
            let field = |name| stanza.lines().find_map(|line| line.strip_prefix(name));
            let state = field("Status: ").unwrap_or("no status");
            let name = field("Package: ").unwrap_or("?");
            (state != "install ok installed").then(|| (name.to_owned(), state.to_owned()))
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
        let expected = ("b".to_owned(), "install ok half-configured".to_owned());
        assert_eq!(unfinished(status), [expected]);
        assert!(unfinished("").is_empty());
    }
}
