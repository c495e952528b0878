//! What can go wrong.

use std::io;
use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or device cannot be opened or read.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// There is no partition with a data filesystem.
    #[error("{}: this is no disk of a Heirloom server: {why}", path.display())]
    NotOurs {
        /// The disk.
        path: PathBuf,
        /// What it is, or lacks.
        why: &'static str,
    },
    /// The filesystem cannot be read.
    #[error("cannot read {what} of the data filesystem")]
    Filesystem {
        /// A path in it, made safe to show.
        what: String,
        /// What is wrong with it.
        source: ext4_view::Ext4Error,
    },
    /// A document of ours is not as it has to be.
    #[error("{what} on the data filesystem")]
    Document {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        source: generation::Error,
    },
    /// A file is larger than any of its kind.
    #[error("{what} of the data filesystem has {size} bytes, more than {limit}")]
    TooLarge {
        /// A path in it.
        what: String,
        /// Its length.
        size: u64,
        /// The longest that is read.
        limit: u64,
    },
    /// What was asked for is no state.
    #[error("{path} is not among the state of this disk")]
    NoState {
        /// What was asked for, made safe to show.
        path: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The disk has no journal.
    #[error("there is no journal on this disk: state/journal has no files")]
    NoJournal,
    /// The folder that is to be written is there.
    #[error("will not write into {}: it is there and not empty", .0.display())]
    NotEmpty(PathBuf),
    /// There are more files than a filesystem of this size can have.
    #[error("the directories of this disk have no end: more than {0} entries")]
    Endless(u64),
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
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("a device can be read by root; an image by whoever may read the file".into())
            }
            Self::NotOurs { .. } => {
                Some("name the whole disk, or its data partition; a live ISO keeps no state".into())
            }
            Self::NoState { known, .. } if known.is_empty() => {
                Some("this disk has no state at all".into())
            }
            Self::NoState { known, .. } => Some(format!("there is {}", known.join(", "))),
            Self::NotEmpty(_) => Some("name a folder that is not there: it is made".into()),
            Self::Filesystem { .. } => Some(
                "where it is damaged, e2fsck on a copy of the disk may make more of it readable"
                    .into(),
            ),
            _ => None,
        }
    }
}
