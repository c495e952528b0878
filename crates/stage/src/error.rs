//! What can go wrong around a stage; what goes wrong inside is its own.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

/// A stage that has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache folder could not be used.
    #[error("could not {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The stage itself failed; nothing of it was kept.
    #[error("could not make the {stage} of `{subject}`")]
    Failed {
        /// Which stage.
        stage: String,
        /// For which server.
        subject: String,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// What to do now, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space, or let CARGO_TARGET_DIR name a larger disk; the next run carries on".to_owned())
            }
            Self::Io { path, source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(format!("make `{}` writable; was it made by another user?", path.display()))
            }
            _ => None,
        }
    }
}
