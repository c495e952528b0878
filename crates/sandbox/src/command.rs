//! A command in a tool root.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::job;
use crate::mounts::{Bind, Root, SeenTree, View};
use crate::process::{Output, Process, Running, Sink, Stdin};
use crate::protocol::{Ids, Request, Start, Work};
use crate::root_command::RootCommand;

/// The time that programs write where nobody gave one: 1980-01-01, the first that FAT can hold.
const FIRST_EPOCH: u64 = 315_532_800;

/// Tells systemctl(1) to change files only, as it would find out by itself: nothing of systemd runs.
const NO_SYSTEMD: [(&str, &str); 1] = [("SYSTEMD_OFFLINE", "1")];

/// A program of a tool root, with all that it may see.
///
/// It sees the tool root read-only, its own `/proc`, `/dev` and `/tmp`, and what is bound; no
/// network but its own `lo`. Its environment is [`Command::ENVIRONMENT`], `SOURCE_DATE_EPOCH` and
/// what [`Command::env`] adds. It is root there: the caller's own files are root's, all others
/// nobody's; inside a [`crate::Job`] users and groups are the job's.
#[derive(Debug)]
pub struct Command {
    start: Start,
    epoch: u64,
    network: bool,
    stdin: Stdin,
    stdout: Sink,
    stderr: Sink,
    accepted: Vec<i32>,
}

impl Command {
    /// What every program finds in its environment, besides `SOURCE_DATE_EPOCH`.
    pub const ENVIRONMENT: [(&str, &str); 4] = [
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("HOME", "/tmp"),
    ];

    /// `program`, an absolute path in the tool root that lies at `root`.
    pub fn new(root: impl Into<PathBuf>, program: impl Into<PathBuf>) -> Self {
        let view = View {
            root: Root::Tools(root.into()),
            tree: None,
            binds: vec![],
            files: vec![],
            devices: vec![],
            null_keeps: false,
        };
        let start = Start {
            view,
            program: program.into(),
            args: vec![],
            env: fixed_environment(&Self::ENVIRONMENT),
            cwd: "/".into(),
            hostname: "heirloom".into(),
            free_sync: false,
            no_new_privileges: true,
        };
        Self {
            start,
            epoch: FIRST_EPOCH,
            network: false,
            stdin: Stdin::Null,
            stdout: Sink::Capture,
            stderr: Sink::Capture,
            accepted: vec![],
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.start.args.push(arg.as_ref().into());
        self
    }

    /// More arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.start.args.extend(args.into_iter().map(|arg| arg.as_ref().into()));
        self
    }

    /// A variable besides the fixed ones, or instead of one of them.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        set(&mut self.start.env, key.as_ref(), value.as_ref());
        self
    }

    /// Shows the host's file or directory `source` at `target`, an absolute path such as
    /// `/work/in`, for reading.
    pub fn bind_ro(self, source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.bind(source.into(), target.into(), false)
    }

    /// Shows the host's file or directory `source` at `target`, and lets it be changed.
    pub fn bind_rw(self, source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.bind(source.into(), target.into(), true)
    }

    fn bind(mut self, source: PathBuf, target: PathBuf, writable: bool) -> Self {
        self.start.view.binds.push(Bind { source, target, writable });
        self
    }

    /// Shows the package tree that lies at `source` at `target`, such as `/tree`, for a package
    /// manager that changes it and starts programs of it in it (chroot(2)). Only inside of jobs.
    ///
    /// Those programs find what a [`RootCommand`] finds: a `/proc`, `/dev`, `/run` and `/tmp` of
    /// the sandbox's own, which leave no trace in the tree; its environment and host name; no
    /// systemd; `fsync` and its like are free. Nothing is laid over the tree's files: a package
    /// manager could not replace them.
    pub fn tree(mut self, source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.start.view.tree = Some(SeenTree { source: source.into(), target: target.into() });
        self.start.hostname = RootCommand::HOSTNAME.into();
        self.start.free_sync = true;
        self.start.no_new_privileges = false;
        let environment = RootCommand::ENVIRONMENT.iter().chain(&NO_SYSTEMD);
        environment.fold(self, |command, (key, value)| command.env(key, value))
    }

    /// The directory to start in, `/` if it is not set.
    pub fn cwd(mut self, path: impl AsRef<Path>) -> Self {
        self.start.cwd = path.as_ref().into();
        self
    }

    /// The host name; `heirloom` if it is not set.
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.start.hostname = name.into();
        self
    }

    /// `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub fn epoch(mut self, seconds: u64) -> Self {
        self.epoch = seconds;
        self
    }

    /// Where standard input comes from; nowhere if it is not set.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Standard input is what `reader` gives.
    pub fn stdin_from(self, reader: impl Read + Send + 'static) -> Self {
        self.stdin(Stdin::Reader(Box::new(reader)))
    }

    /// Where standard output goes; into [`Output`] if it is not set.
    pub fn stdout(mut self, sink: Sink) -> Self {
        self.stdout = sink;
        self
    }

    /// Standard output goes to `file`.
    pub fn stdout_to(self, file: File) -> Self {
        self.stdout(Sink::File(file))
    }

    /// Where standard error goes; into [`Output`] and errors if it is not set.
    pub fn stderr(mut self, sink: Sink) -> Self {
        self.stderr = sink;
        self
    }

    /// An exit status that is no failure, besides 0.
    pub fn accept(mut self, code: i32) -> Self {
        self.accepted.push(code);
        self
    }

    /// Leaves the host's network in reach: for virtual machines whose ports are forwarded.
    pub fn network(mut self, allowed: bool) -> Self {
        self.network = allowed;
        self
    }

    /// Shows one more device of the host, by its name in `/dev` (`kvm`), where the host has it.
    pub fn device(mut self, name: &str) -> Self {
        self.start.view.devices.push(name.into());
        self
    }

    /// Makes `fsync` and its like do nothing.
    pub fn free_sync(mut self) -> Self {
        self.start.free_sync = true;
        self
    }

    /// Runs the program to its end.
    pub fn run(self) -> Result<Output> {
        self.spawn()?.wait()
    }

    /// Starts the program and leaves it running.
    pub fn spawn(mut self) -> Result<Running> {
        set(
            &mut self.start.env,
            OsStr::new("SOURCE_DATE_EPOCH"),
            OsStr::new(&self.epoch.to_string()),
        );
        let needs_job = self.start.view.tree.is_some();
        let request = Request {
            ids: if job::is_job() { Ids::Keep } else { Ids::Single },
            network: self.network,
            terminal: matches!(self.stdin, Stdin::Inherit),
            work: Work::Program(Box::new(self.start)),
        };
        let label = label(&request);
        if needs_job && !job::is_job() {
            return Err(Error::OutsideJob { command: label });
        }
        Process {
            label,
            request,
            stdin: self.stdin,
            stdout: self.stdout,
            stderr: self.stderr,
            accepted: self.accepted,
        }
        .spawn()
    }
}

pub(crate) fn fixed_environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(key, value)| (key.into(), value.into())).collect()
}

pub(crate) fn set(env: &mut Vec<(OsString, OsString)>, key: &OsStr, value: &OsStr) {
    env.retain(|(present, _)| present != key);
    env.push((key.into(), value.into()));
}

/// The command line as a person would type it, with the program's bare name.
pub(crate) fn label(request: &Request) -> String {
    let Work::Program(start) = &request.work else { return String::new() };
    let name = start.program.file_name().unwrap_or(start.program.as_os_str());
    let words = std::iter::once(name).chain(start.args.iter().map(OsString::as_os_str));
    words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=/.,:+@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again() {
        assert_eq!(quoted("-mkfs-time"), "-mkfs-time");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
