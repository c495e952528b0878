//! What can go wrong when writes are replayed.

use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong when writes are replayed. What a power cut did to a disk is none of these: it
/// is a [`crate::Verdict`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no record of writes.
    #[error("{} is no log of writes: {why}", path.display())]
    NoLog {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An entry of the log makes no sense.
    #[error("entry {entry} of {}: {why}", path.display())]
    Entry {
        /// The log.
        path: PathBuf,
        /// Its number, from 0.
        entry: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A program of the tool root.
    #[error("the data partition cannot be looked at")]
    Sandbox(#[from] sandbox::Error),
    /// A file of this host.
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
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
