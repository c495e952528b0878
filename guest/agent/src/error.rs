//! What can go wrong on a server.

use std::io;
use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong on a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another `heirloom` is changing something.
    #[error("another heirloom command is at work")]
    Busy,
    /// Another generation is on its way.
    #[error("another generation is being received")]
    Receiving,
    /// A trial has begun so many times, and nobody has ended it.
    #[error("it was started {0} times, for nothing takes the mark away with which it is")]
    TooManyBoots(u32),
    /// There is no generation of this number.
    #[error("there is no generation {0}")]
    NoGeneration(u64),
    /// Some of a generation's blobs are not there.
    #[error("generation {number} is not whole: {missing}")]
    NotWhole {
        /// The generation.
        number: u64,
        /// What is not there.
        missing: String,
    },
    /// The generation that a failed trial would come back to is not there to come back to.
    #[error("the default, generation {number}, could not be started again: {why}")]
    NoWayBack {
        /// The default.
        number: u64,
        /// What is wrong with it.
        why: String,
    },
    /// What was asked for is so already, or cannot be now.
    #[error("{0}")]
    Refused(&'static str),
    /// A generation is on trial.
    #[error("generation {0} is on trial")]
    OnTrial(u64),
    /// A generation is in use.
    #[error("generation {0} is in use")]
    InUse(u64),
    /// Too little room, even when everything goes that may.
    #[error("{what} has room for {available} bytes, {wanted} are needed")]
    NoRoom {
        /// Which partition.
        what: &'static str,
        /// Bytes that are needed.
        wanted: u64,
        /// Bytes that there would be.
        available: u64,
    },
    /// All generations that a boot partition can name are in use.
    #[error("{0} generations are kept, as many as the server can boot")]
    TooMany(usize),
    /// The machine is not one that Heirloom has started from a disk.
    #[error("{0}")]
    Elsewhere(String),
    /// A file could not be used.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file of ours is not as it has to be.
    #[error("{}: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Layout, manifest, config.
    #[error(transparent)]
    Generation(#[from] generation::Error),
    /// The boot partition.
    #[error(transparent)]
    Boot(#[from] boot::Error),
    /// Transfer.
    #[error(transparent)]
    Transfer(#[from] transfer::Error),
    /// A disk that a mirror cannot take.
    #[error("{device} is not taken: {why}")]
    Disk {
        /// The disk.
        device: String,
        /// Why not.
        why: String,
        /// What to do.
        hint: Option<&'static str>,
    },
    /// The mirror.
    #[error(transparent)]
    Mirror(#[from] mirror::Error),
    /// Somebody else than root, and no sudo.
    #[error("only root may do this")]
    NotRoot,
    /// A key that may only deploy.
    #[error("this key may only deploy, not run `{}`", .0.escape_debug())]
    DeployOnly(String),
    /// The command line.
    #[error("{0}")]
    Usage(String),
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
        Some(match self {
            Self::Busy => "wait until it is done".into(),
            Self::Receiving => "wait until it is here, or end that `heirloom stage`".into(),
            Self::NoGeneration(_) => "`heirloom list` shows which there are".into(),
            Self::NotWhole { .. } => "deploy it again".into(),
            Self::NoWayBack { .. } => {
                "deploy it again from the commit in `cargo xtask generations`: what is missing is sent"
                    .into()
            }
            Self::OnTrial(_) => {
                "wait until it is decided, or `heirloom confirm` it yourself".into()
            }
            Self::InUse(_) => "switch to another one first".into(),
            Self::NoRoom { .. } | Self::TooMany(_) => {
                "unpin generations (`heirloom unpin N`), or remove files under /state".into()
            }
            Self::Disk { hint, .. } => return hint.map(Into::into),
            Self::NotRoot => {
                "log in as root; or install sudo, with a rule for /usr/bin/heirloom".into()
            }
            Self::DeployOnly(_) => "log in with a key that has no forced command".into(),
            Self::Usage(_) => "`heirloom --help` shows what there is".into(),
            Self::Generation(error) => return error.hint(),
            Self::Boot(error) => return error.hint().map(Into::into),
            Self::Transfer(error) => return error.hint(),
            _ => return None,
        })
    }
}
