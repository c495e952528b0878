//! What can go wrong with a machine.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// QEMU or one of its tools.
    #[error("the machine does not run")]
    Sandbox(#[from] sandbox::Error),
    /// QEMU ended although nobody asked it to.
    #[error("the machine ended by itself{}", shown(console))]
    Ended {
        /// The end of what the console said.
        console: String,
    },
    /// Something did not come in time.
    #[error("no {what} after {seconds} s{console}", seconds = after.as_secs(), console = shown(console))]
    Timeout {
        /// What was waited for; where there were attempts, what the last one said.
        what: String,
        /// How long.
        after: Duration,
        /// The end of what the console said.
        console: String,
    },
    /// A guest's port that was not forwarded was asked for.
    #[error("the machine's port {port} is not forwarded")]
    NotForwarded {
        /// The guest's port.
        port: u16,
    },
    /// A port of this host that was asked for by its number.
    #[error("port {port} of this machine cannot be used")]
    Port {
        /// The host's port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
    /// A disk was asked for of a machine that has none.
    #[error("the machine has no disk")]
    NoDisk,
    /// QEMU's control socket said something else than expected.
    #[error("the machine's control socket: {why}")]
    Control {
        /// What was said.
        why: String,
    },
    /// A file or a stream.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// What to do now, where there is something that can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Sandbox(error) => error.hint(),
            Self::Timeout { .. } => Some(
                "without KVM a machine is slow, and slower still beside other work: see whether \
                 `cargo xtask doctor` finds KVM"
                    .into(),
            ),
            Self::Port { source, .. } if source.kind() == io::ErrorKind::AddrInUse => Some(
                "something listens there: name another, or leave it to chance with \
                 `--forward THERE`"
                    .into(),
            ),
            _ => None,
        }
    }
}

fn shown(console: &str) -> String {
    if console.is_empty() {
        return String::new();
    }
    format!("; the last that its console said:\n{}", console.trim_end())
}
