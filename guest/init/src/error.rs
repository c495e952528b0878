//! What can go wrong before the server's own init runs.

use std::io;
use std::path::{Path, PathBuf};

use crate::gpt;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a generation cannot be booted, or what could not be done on the way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Command line, manifest, config or blobs.
    #[error(transparent)]
    Generation(#[from] generation::Error),
    /// The data filesystem did not show up.
    #[error("no device has {wanted}; there are: {seen}; {drivers}")]
    NoDevice { wanted: String, seen: String, drivers: String },
    /// A path that is state cannot be given.
    #[error("state {path}: {why}")]
    State { path: String, why: String },
    /// The partition table.
    #[error(transparent)]
    Gpt(#[from] gpt::Error),
    /// The mirror that the data partition is.
    #[error(transparent)]
    Mirror(#[from] mirror::Error),
    /// The kernel said no.
    #[error("cannot {action} {path}", path = .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// Says what was being done to which path when the kernel said no.
pub(crate) trait Context<T> {
    /// `cannot {action} {path}: ...`
    fn on(self, action: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn on(self, action: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::Io {
            action,
            path: path.as_ref().to_owned(),
            source: source.into(),
        })
    }
}
