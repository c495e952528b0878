//! A command inside a package tree that is being configured.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::command::{fixed_environment, label, set};
use crate::error::{Error, Result};
use crate::job;
use crate::mounts::{Laid, Root, View};
use crate::process::{Output, Process, Sink, Stdin};
use crate::protocol::{Ids, Request, Start, Work};

/// Says that no service may be started: invoke-rc.d(8), "policy-rc.d", exit status 101.
const NO_SERVICES: &str = "#!/bin/sh\nexit 101\n";

/// A program of a package tree, with the tree as its root.
///
/// It sees the tree, which it may change; `/proc`; its own `/dev`, `/run` and `/tmp`; no `/sys`, no
/// network but its own `lo`. Its host name is a fixed one that resolves. `policy-rc.d` forbids to
/// start services; it, `/etc/hosts` and the stubs lie over the tree only while the program runs.
/// `fsync` and its like are free.
#[derive(Debug)]
pub struct RootCommand {
    start: Start,
    stdin: Vec<u8>,
    accepted: Vec<i32>,
}

impl RootCommand {
    /// What every program finds in its environment, besides `SOURCE_DATE_EPOCH` where it is set.
    pub const ENVIRONMENT: [(&str, &str); 4] = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("HOME", "/root"),
    ];

    /// The host name, if no other is set. RFC 2606 reserves `.invalid`.
    pub const HOSTNAME: &str = "server.heirloom.invalid";

    /// `program`, an absolute path in the tree that lies at `tree`.
    pub fn new(tree: impl Into<PathBuf>, program: impl Into<PathBuf>) -> Self {
        let laid = Laid {
            path: "/usr/sbin/policy-rc.d".into(),
            content: NO_SERVICES.into(),
            mode: 0o755,
            covered: None,
        };
        let view = View {
            root: Root::Tree(tree.into()),
            tree: None,
            binds: vec![],
            files: vec![laid],
            devices: vec![],
            null_keeps: false,
        };
        let start = Start {
            view,
            program: program.into(),
            args: vec![],
            env: fixed_environment(&Self::ENVIRONMENT),
            cwd: "/".into(),
            hostname: Self::HOSTNAME.into(),
            free_sync: true,
            no_new_privileges: false,
        };
        Self { start, stdin: vec![], accepted: vec![] }
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

    /// `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub fn epoch(self, seconds: u64) -> Self {
        self.env("SOURCE_DATE_EPOCH", seconds.to_string())
    }

    /// The host name, which should be a full one: some scripts keep what stands behind its dot.
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.start.hostname = name.into();
        self
    }

    /// The directory in which a stub finds what it covers, by its file name.
    pub const COVERED: &str = "/run/heirloom";

    /// Runs `script` wherever the file `path` of the tree would have been run. The file itself is
    /// seen in [`RootCommand::COVERED`].
    pub fn stub(mut self, path: impl Into<PathBuf>, script: impl Into<String>) -> Self {
        let path = path.into();
        let covered = path.file_name().map(|name| Path::new(Self::COVERED).join(name));
        let laid = Laid { path, content: script.into(), mode: 0o755, covered };
        self.start.view.files.push(laid);
        self
    }

    /// Makes a file of `/dev/null`, which has what was last written to it: for a program that failed
    /// and hides why.
    pub fn null_keeps(mut self) -> Self {
        self.start.view.null_keeps = true;
        self
    }

    /// Standard input; empty if it is not set.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// An exit status that is no failure, besides 0.
    pub fn accept(mut self, code: i32) -> Self {
        self.accepted.push(code);
        self
    }

    /// Runs the program to its end. Standard output and error are both in [`Output::stdout`], in
    /// the order in which they were written.
    pub fn run(mut self) -> Result<Output> {
        let name = &self.start.hostname;
        let short = name.split('.').next().unwrap_or(name);
        let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {name} {short}\n::1 localhost\n");
        let path = "/etc/hosts".into();
        self.start.view.files.push(Laid { path, content: hosts, mode: 0o644, covered: None });
        let request = Request {
            ids: Ids::Keep,
            network: false,
            terminal: false,
            work: Work::Program(Box::new(self.start)),
        };
        let label = label(&request);
        if !job::is_job() {
            return Err(Error::OutsideJob { command: label });
        }
        Process {
            label,
            request,
            stdin: Stdin::Bytes(self.stdin),
            stdout: Sink::Capture,
            stderr: Sink::Merge,
            accepted: self.accepted,
        }
        .spawn()?
        .wait()
    }
}
