//! Everything that can go wrong between a command and its end.

use std::io;
use std::path::PathBuf;

use crate::job::Cause;
use crate::program::Group;
use crate::protocol::{Status, Step};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a program or a job did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host: namespaces are forbidden or lack something.
    #[error("cannot enter the sandbox: {what}")]
    Setup {
        /// The step that failed.
        step: Step,
        /// What was tried.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The host: the user may use fewer than 65,536 ids.
    #[error("user {user} may not use the 65,536 user and group ids that a server's files need")]
    NoIdRange {
        /// The user's name, or its number where it has none.
        user: String,
        /// The file that lacks the range: `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
    },
    /// The host: `newuidmap` or `newgidmap` is missing.
    #[error("{program} is not installed")]
    NoIdMapper {
        /// The program that was looked for.
        program: &'static str,
    },
    /// The host: `newuidmap` or `newgidmap` refused.
    #[error("{program} refused: {message}")]
    IdMapper {
        /// The program.
        program: &'static str,
        /// What it said.
        message: String,
    },
    /// A program failed.
    #[error("`{command}` ended with {status}{}", tail(.output))]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: Status,
        /// The end of what it wrote.
        output: String,
    },
    /// What a program should have read or written could not be.
    #[error("{what} of `{command}`")]
    Stream {
        /// The command line.
        command: String,
        /// `cannot write the standard input`, `cannot read the standard output`.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A job returned an error.
    #[error("{name} failed")]
    Job {
        /// [`crate::Job::NAME`].
        name: &'static str,
        /// The job's error and its causes.
        source: Cause,
        /// The job's own advice.
        hint: Option<String>,
    },
    /// A job's process ended without an answer: a panic, or the kernel killed it.
    #[error("{name} ended with {status} and no answer")]
    JobDied {
        /// [`crate::Job::NAME`].
        name: &'static str,
        /// How it ended.
        status: Status,
    },
    /// A job's input or output is not what its types say.
    #[error("the {what} of {name} cannot be passed between processes")]
    JobValue {
        /// [`crate::Job::NAME`].
        name: &'static str,
        /// `input` or `output`.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// This program does not call [`crate::serve`].
    #[error("this program cannot start a sandbox: it never called sandbox::serve or set_worker")]
    NoWorker,
    /// The process that should enter the sandbox could not be started or ended early.
    #[error("the worker {} did not do its part", .worker.display())]
    Worker {
        /// Its executable.
        worker: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// [`crate::RootCommand`] or [`crate::Command::tree`] outside of a job.
    #[error("`{command}` may only run inside a job's namespaces")]
    OutsideJob {
        /// The command line.
        command: String,
    },
    /// `tools.toml` cannot be understood.
    #[error("{}: {message}", .path.display())]
    ToolsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where there is one.
        message: String,
    },
    /// `tools.lock` answers another question than `tools.toml` asks.
    #[error("{}: group `{group}` is not what tools.toml asks for", .path.display())]
    StaleToolsLock {
        /// The group.
        group: Group,
        /// The lock.
        path: PathBuf,
    },
    /// There are no tools for this machine.
    #[error("tools.lock has no group `{group}` for {architecture}")]
    NoTools {
        /// The group.
        group: Group,
        /// Debian's name of the architecture.
        architecture: String,
    },
    /// `tools.lock` cannot be read, resolved or written.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// A tool's package could not be fetched.
    #[error("cannot fetch the tools")]
    Store(#[from] store::Error),
    /// A tool's package could not be unpacked.
    #[error("cannot unpack the tools")]
    Unpack(#[from] unpack::Error),
    /// Something on the host's disk.
    #[error("cannot {what} {}", .path.display())]
    Io {
        /// `create`, `read`.
        what: &'static str,
        /// Of what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn tail(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!("; it said:\n{output}") }
}

impl Error {
    /// What to do now.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setup { step: Step::UserNamespace | Step::IdMap | Step::Namespaces, .. } => {
                Some(namespaces_hint(kernel_setting))
            }
            Self::Setup { step: Step::Mounts, source, .. }
                if source.raw_os_error() == Some(libc::EPERM)
                    || source.raw_os_error() == Some(libc::EACCES) =>
            {
                Some(namespaces_hint(kernel_setting))
            }
            Self::NoIdRange { user, .. } => Some(format!(
                "give the user a range in /etc/subuid and /etc/subgid: `usermod --add-subuids \
                 100000-165535 --add-subgids 100000-165535 {user}` as root, or run as root"
            )),
            Self::NoIdMapper { .. } => Some(
                "install it (package uidmap on Debian and Ubuntu, shadow-utils on Fedora and \
                 Arch), or run as root"
                    .into(),
            ),
            Self::IdMapper { .. } => Some(
                "newuidmap and newgidmap must be set-user-id root or hold cap_setuid and \
                 cap_setgid; /etc/subuid and /etc/subgid name the ranges"
                    .into(),
            ),
            Self::Job { hint, .. } => hint.clone(),
            Self::JobDied { status: Status::Signalled(libc::SIGKILL), .. } => {
                Some("the kernel kills what does not fit into memory: see `dmesg`".into())
            }
            Self::StaleToolsLock { .. } => {
                Some("`cargo xtask lock --tools` resolves the groups of tools.toml anew".into())
            }
            Self::NoTools { architecture, .. } => Some(format!(
                "name `{architecture}` under `architectures` in tools.toml, then `cargo xtask \
                 lock --tools`"
            )),
            Self::Lock(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Unpack(error) => error.hint(),
            _ => None,
        }
    }

    /// The exit status of the program, if it is a program that failed.
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Failed { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// A number below `/proc/sys`.
fn kernel_setting(path: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/sys/{path}")).ok()?;
    text.trim().parse().ok()
}

/// Why namespaces may be forbidden here, as far as the kernel's settings say.
fn namespaces_hint(setting: impl Fn(&str) -> Option<u64>) -> String {
    let forbids = [
        ("kernel/unprivileged_userns_clone", 0, "allow user namespaces", 1),
        ("user/max_user_namespaces", 0, "allow user namespaces", 15_000),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            1,
            "AppArmor restricts user namespaces here",
            0,
        ),
    ];
    for (path, value, why, better) in forbids {
        if setting(path) == Some(value) {
            let name = path.replace('/', ".");
            return format!("{why}: `sysctl {name}={better}` as root");
        }
    }
    "the host must allow user namespaces; in a container, its runtime has to (docker and podman: \
     `--privileged`, or `--security-opt seccomp=unconfined --security-opt \
     systempaths=unconfined`)"
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_forbids_namespaces_is_named_with_what_allows_them() {
        let hint = |forbids: &str, value: u64| {
            namespaces_hint(|path| if path == forbids { Some(value) } else { None })
        };
        for (path, value, expected) in [
            ("kernel/unprivileged_userns_clone", 0, "`sysctl kernel.unprivileged_userns_clone=1`"),
            ("user/max_user_namespaces", 0, "`sysctl user.max_user_namespaces=15000`"),
            (
                "kernel/apparmor_restrict_unprivileged_userns",
                1,
                "`sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
            ),
        ] {
            let said = hint(path, value);
            assert!(said.contains(expected) && said.ends_with(" as root"), "{said}");
            // The same setting with a value that allows them is no reason.
            assert!(hint(path, 7).contains("`--privileged`"), "{path}");
        }
        assert!(namespaces_hint(|_| None).contains("`--privileged`"));
    }
}
