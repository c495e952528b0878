//! What ends a transfer early.

use std::io;
use std::path::{Path, PathBuf};

use crate::message::Refusal;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What ends a transfer early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other end is gone. What was received stays.
    #[error("the connection ended before the transfer did")]
    Closed,
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[source] io::Error),
    /// The other end does not keep to the protocol.
    #[error("the other end said what it should not: {0}")]
    Protocol(String),
    /// The other end printed something, and then did not answer.
    #[error("the server printed `{0}` and no answer")]
    NoAnswer(String),
    /// The other end speaks another version.
    #[error("the server speaks version {found} of the protocol, this program version {wanted}")]
    Version {
        /// Theirs.
        found: u32,
        /// Ours.
        wanted: u32,
    },
    /// The server will not go on.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// A file could not be used.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file that was sent changed its length meanwhile.
    #[error("{}: is shorter than its descriptor says", .0.display())]
    Short(PathBuf),
    /// zstd failed.
    #[error("could not {action}: {why}")]
    Zstd {
        /// `compress` or `decompress`.
        action: &'static str,
        /// zstd's word.
        why: &'static str,
    },
    /// A generation's documents or blobs.
    #[error(transparent)]
    Generation(#[from] generation::Error),
}

impl Error {
    pub(crate) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::Protocol(what.into())
    }

    /// Reading or writing failed; an end of file is [`Error::Closed`].
    pub(crate) fn connection(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Connection(error),
        }
    }

    /// Whether the same transfer, begun again, can go on from where it was.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Closed | Self::Connection(_))
    }

    /// What to do now, where there is something that can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Closed | Self::Connection(_) => {
                Some("run it again: it goes on from where it was".into())
            }
            Self::Version { found, wanted } if found < wanted => Some(
                "deploy once with the heirloom that the server was made with, or install it anew"
                    .into(),
            ),
            Self::Version { .. } => Some("update this workspace's heirloom".into()),
            Self::NoAnswer(_) => Some(
                "a startup file of the login shell (~/.bashrc, /etc/profile.d) prints or ends the \
                 shell: let it do that in interactive shells only"
                    .into(),
            ),
            Self::Refused(refusal) => refusal.help.clone(),
            Self::Generation(error) => error.hint(),
            _ => None,
        }
    }
}
