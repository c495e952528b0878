//! What keeps a row from being measured.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the comparison.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be used.
    #[error("could not {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A list or a file of results does not have its form.
    #[error("`{}` is not understood", path.display())]
    Form {
        /// Where.
        path: PathBuf,
        /// The line and what is wrong with it.
        source: toml::de::Error,
    },
    /// A list names a package that its release can not have.
    #[error("`{}`: row `{row}`: {why}", path.display())]
    Package {
        /// The list.
        path: PathBuf,
        /// The row.
        row: String,
        /// What is wrong.
        why: String,
    },
    /// A package file.
    #[error(transparent)]
    Unpack(#[from] unpack::Error),
    /// A tree.
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
    /// mmdebstrap.
    #[error("apt could not install the packages")]
    Apt {
        /// How it ended.
        source: sandbox::Error,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
