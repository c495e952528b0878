//! What can be wrong with a boot partition.

use std::io;
use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a boot partition.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    /// Too little room.
    #[error("the boot partition has room for {free} bytes, {wanted} are needed")]
    NoRoom {
        /// Bytes that are needed.
        wanted: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// All of syslinux's slots are taken.
    #[error("the boot partition has no place for another generation")]
    NoSlot,
    /// The generation is the default, or armed.
    #[error("generation {0} is what the server boots")]
    InUse(u64),
    /// A bootloader's file is not what it has to be.
    #[error("{path} on the boot partition: {why}")]
    Broken {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// What is to be copied to the boot partition is damaged itself.
    #[error("{} does not have the bytes of its digest", path.display())]
    BadSource {
        /// The blob.
        path: PathBuf,
    },
    /// A kernel or initramfs was copied and is not the same.
    #[error("{path} on the boot partition has other bytes than were written")]
    BadCopy {
        /// The file.
        path: String,
    },
    /// A generation's documents.
    #[error(transparent)]
    Generation(#[from] generation::Error),
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn broken(path: &str, why: impl Into<String>) -> Self {
        Self::Broken { path: path.to_owned(), why: why.into() }
    }

    /// What to do now, where there is something that can be done.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoRoom { .. } | Self::NoSlot => {
                Some("remove generations: `heirloom unpin N`, `heirloom gc`")
            }
            Self::InUse(_) => Some("switch to another generation first"),
            _ => None,
        }
    }
}
