//! Why a program cannot be compiled.

use std::io;
use std::path::{Path, PathBuf};

use digest::Digest;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a program cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package is not in the workspace.
    #[error("the workspace at {} has no package `{package}`", workspace.display())]
    NoPackage {
        /// The package asked for.
        package: String,
        /// The workspace.
        workspace: PathBuf,
    },
    /// A manifest or lock that is not as Cargo writes or wants it.
    #[error("{}: {why}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A result that is not as it was made.
    #[error("{} was changed after it was made", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Two packages of one name: a member and one from git, or two from git.
    #[error("a program for the server needs two packages of the name `{package}`")]
    Twice {
        /// The name.
        package: String,
    },
    /// A package that comes neither from crates.io nor from git.
    #[error("`{package}`, part of a program for the server, comes from {from}")]
    Source {
        /// Which package.
        package: String,
        /// Where it comes from.
        from: String,
    },
    /// The host's cargo cannot say what is needed, or cannot fetch it.
    #[error("cargo cannot resolve or fetch what `{package}` needs")]
    Resolve {
        /// What was to be compiled.
        package: String,
        /// cargo's word.
        source: cargo_metadata::Error,
    },
    /// cargo said that it has a crate that is nowhere.
    #[error("{name} {version} is not among the crates that cargo has fetched")]
    Missing {
        /// The crate.
        name: String,
        /// Its version.
        version: String,
    },
    /// A crate's archive that is not the one in `Cargo.lock`.
    #[error("{} has sha256 {found}, Cargo.lock says {expected}", path.display())]
    Checksum {
        /// The archive.
        path: PathBuf,
        /// What `Cargo.lock` says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// The result cannot be kept, or was not made.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// The tool root or the compiler.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// A file.
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
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn manifest(path: impl AsRef<Path>, why: impl ToString) -> Self {
        Self::Manifest { path: path.as_ref().to_owned(), why: why.to_string() }
    }

    /// What to do now, where there is something that can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Resolve { .. } | Self::Missing { .. } => {
                Some("run `cargo fetch --locked` once with a network".into())
            }
            Self::Checksum { path, .. } => {
                Some(format!("remove {}: cargo fetches it again", path.display()))
            }
            Self::Source { .. } => {
                let from = "such programs are made of local packages, of packages from git, and of \
                            releases on crates.io";
                Some(from.into())
            }
            Self::Twice { package } => Some(format!(
                "have all of them use one: in the workspace's Cargo.toml \
                 `[patch.\"URL\"] {package} = {{ path = \"...\" }}`"
            )),
            Self::Damaged { .. } => Some("remove target/heirloom; it can all be made again".into()),
            Self::Sandbox(error) => error.hint(),
            Self::Stage(error) => error.hint(),
            _ => None,
        }
    }
}
