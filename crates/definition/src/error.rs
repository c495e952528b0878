//! What can go wrong with a definition.

use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::Problems;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The definition has mistakes.
    #[error("{0}")]
    Definition(#[from] Problems),
    /// A file of the definition cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of a new server cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Cargo does not tell what the workspace consists of.
    #[error("cargo cannot read the workspace in {dir}")]
    Cargo {
        /// The directory.
        dir: PathBuf,
        /// What Cargo said.
        source: cargo_metadata::Error,
    },
    /// There is no such server.
    #[error("there is no server `{name}` in this workspace")]
    NoServer {
        /// What was asked for.
        name: String,
        /// What to ask for instead.
        hint: Option<String>,
    },
    /// The name of a new server is no name.
    #[error("a server cannot be called `{name}`: it {message}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        message: String,
        /// What is right.
        hint: Option<String>,
    },
    /// A new server's place is taken.
    #[error("{path} exists already")]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A new server needs a role that is not there.
    #[error("the workspace has no role `{name}`, which a new server is made of")]
    NoRole {
        /// The role.
        name: &'static str,
    },
    /// There is no archive of a new server's day.
    #[error("{date} {message}")]
    Day {
        /// The day.
        date: Date,
        /// What is wrong with it.
        message: String,
        /// What is right.
        hint: Option<String>,
    },
    /// A directory is to be an archiso profile and is none.
    #[error("{path} is no archiso profile: it has no profiledef.sh")]
    NoProfile {
        /// The directory.
        path: PathBuf,
    },
    /// An archiso profile has mistakes, or what cannot be taken.
    #[error("{}", .0.of("the profile"))]
    Profile(Problems),
    /// `SOURCE_DATE_EPOCH` is no number of seconds.
    #[error("SOURCE_DATE_EPOCH is `{value}`, which is no number of seconds since 1970")]
    Epoch {
        /// What it is.
        value: String,
    },
    /// A shallow clone does not know when a file was last changed.
    #[error("{dir} is a shallow clone: the dates of its commits say nothing about its files")]
    Shallow {
        /// The workspace.
        dir: PathBuf,
    },
    /// git is needed and cannot be started.
    #[error("cannot start git, which knows when the definition was last changed")]
    NoGit {
        /// Why not.
        source: io::Error,
    },
    /// git, which knows what is ignored, is needed and cannot be started.
    #[error(
        "{dir} is in a git repository, and git, which knows what is ignored there, cannot be started"
    )]
    NoGitIgnored {
        /// The workspace, or a role outside of it.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// git does not say what is ignored.
    #[error("git does not say what is ignored in {dir}: {message}")]
    GitIgnored {
        /// The workspace, or a role outside of it.
        dir: PathBuf,
        /// What git said.
        message: String,
    },
    /// git was started and failed.
    #[error("git failed in {dir}: {message}")]
    Git {
        /// The workspace.
        dir: PathBuf,
        /// What git said.
        message: String,
    },
}

impl Error {
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Definition(problems) | Self::Profile(problems) => problems.hint(),
            Self::NoServer { hint, .. } | Self::Name { hint, .. } | Self::Day { hint, .. } => {
                hint.clone()
            }
            Self::Exists { .. } => Some("choose another name".to_owned()),
            Self::NoRole { name } => Some(format!("a role is a crate with a role.toml: {name}")),
            Self::NoProfile { .. } => {
                Some("as in --from-archiso /usr/share/archiso/configs/releng".to_owned())
            }
            Self::Epoch { .. } => {
                Some("unset it, or as in SOURCE_DATE_EPOCH=1700000000".to_owned())
            }
            Self::Shallow { .. } => {
                Some("`git fetch --unshallow`, or set SOURCE_DATE_EPOCH".to_owned())
            }
            Self::NoGit { .. } => Some("install git, or set SOURCE_DATE_EPOCH".to_owned()),
            Self::NoGitIgnored { .. } => Some(
                "install git; in a copy without .git nothing is ignored, and git is not asked"
                    .to_owned(),
            ),
            Self::GitIgnored { .. } => {
                Some("try `git status` there: what git ignores is left out of images".to_owned())
            }
            Self::Git { .. } => Some("mend that, or set SOURCE_DATE_EPOCH".to_owned()),
            Self::Read { .. } | Self::Write { .. } | Self::Cargo { .. } => None,
        }
    }
}
