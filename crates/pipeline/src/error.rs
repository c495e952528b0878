//! What keeps a server from being built.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

/// An error of a stage, or of what lies between two.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The definition.
    #[error(transparent)]
    Definition(#[from] definition::Error),
    /// The store, or fetching.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A lock file.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// Indexes, signatures, resolver.
    #[error(transparent)]
    Archive(#[from] lock::job::Failure),
    /// The program that asks the archive did not compile, or did not answer.
    #[error("could not ask the archive")]
    ArchiveProgram {
        /// Why not.
        source: io::Error,
    },
    /// Namespaces, tools.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// The package tree or the config layer.
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
    /// A guest program.
    #[error(transparent)]
    Compile(#[from] compile::Error),
    /// Layers and media.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// The generation's documents.
    #[error(transparent)]
    Generation(#[from] generation::Error),
    /// A stage, or its cache.
    #[error(transparent)]
    Stage(#[from] stage::Error),
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
    /// server.toml could not be changed as a command would.
    #[error("could not change `{}`", path.display())]
    Edit {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: definition::edit::EditError,
    },
    /// server.toml was written by somebody else while its packages were resolved.
    #[error("`{}` was changed meanwhile", path.display())]
    Edited {
        /// Where.
        path: PathBuf,
    },
    /// What another workspace needs of the shared cache is not known.
    #[error("could not read what the workspace `{}` needs", workspace.display())]
    OtherWorkspace {
        /// Which workspace.
        workspace: PathBuf,
        /// The file that says that it uses the cache.
        record: PathBuf,
        /// Why not.
        source: Box<Error>,
    },
    /// A document of ours that does not read as it was written.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// How.
        source: serde_json::Error,
    },
    /// `server.digest` is not what `image` writes.
    #[error("`{}` is no record of a generation", path.display())]
    Record {
        /// Where.
        path: PathBuf,
        /// How.
        source: toml::de::Error,
    },
    /// What the definition says of a path does not agree with the packages.
    #[error("{0}")]
    Path(definition::Problem),
    /// No archive has the packages of a day that has not come.
    #[error("`{server}` asks for packages of {date}, which has not come yet")]
    Future {
        /// Which server.
        server: String,
        /// The day.
        date: Date,
    },
    /// There is no lock, and none may be written.
    #[error("`{server}` has no server.lock")]
    Unlocked {
        /// Which server.
        server: String,
    },
    /// A package file beside the definition is another one than the lock has.
    #[error("{place}: `{path}` has other bytes than server.lock says")]
    OwnChanged {
        /// Which server.
        server: String,
        /// The file.
        path: String,
        /// Where it is named.
        place: String,
    },
    /// The lock has packages of somewhere that the definition does not name.
    #[error("server.lock of `{server}` has {what}, which its definition does not")]
    ForeignSource {
        /// Which server.
        server: String,
        /// The source or the file.
        what: String,
    },
    /// The lock answers another request, and may not be changed.
    #[error("server.lock of `{server}` does not answer what server.toml asks for")]
    Stale {
        /// Which server.
        server: String,
    },
    /// The lock lacks ids, and may not be changed.
    #[error("server.lock of `{server}` lacks the ids of {}", listed(names))]
    Ids {
        /// Which server.
        server: String,
        /// Users and groups without a recorded id.
        names: BTreeSet<String>,
    },
    /// The packages bring no kernel.
    #[error("no package of `{server}` brings a kernel")]
    NoKernel {
        /// Which server.
        server: String,
    },
    /// One of the builds of `verify` failed, and said why.
    #[error("could not build `{server}` to verify it")]
    Build {
        /// Which server.
        server: String,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// What to do now. The hint of a transparent cause is this one's: nobody else sees the cause.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Definition(error) => return error.hint(),
            Self::Store(error) => return error.hint(),
            Self::Lock(error) => return error.hint(),
            Self::Archive(failure) => return failure.hint(),
            Self::Sandbox(error) => return error.hint(),
            Self::Rootfs(error) => return error.hint(),
            Self::Compile(error) => return error.hint(),
            Self::Image(error) => return error.hint(),
            Self::Generation(error) => return error.hint(),
            Self::Stage(error) => return error.hint(),
            Self::ArchiveProgram { .. } => {
                "if crates are missing, `cargo fetch` brings them all".to_owned()
            }
            Self::Io { path, source, .. } => return io_hint(path, source),
            Self::Edited { .. } => "nothing was written: give the command once more".to_owned(),
            Self::Path(problem) => return problem.hint.clone(),
            Self::Future { .. } => "the date of [archive] is today's or an earlier one".to_owned(),
            Self::Unlocked { server } | Self::Stale { server } => {
                format!("`cargo xtask lock {server}` writes it")
            }
            Self::ForeignSource { server, .. } => {
                format!("somebody has edited it; `cargo xtask lock {server}` writes it anew")
            }
            Self::OwnChanged { server, .. } => {
                format!("`cargo xtask lock {server}` locks it as it is now")
            }
            Self::Ids { server, .. } => {
                format!("`cargo xtask image {server}` without --locked records them")
            }
            Self::OtherWorkspace { record, .. } => format!(
                "mend it, or remove `{}`: its files are then fetched again when it needs them",
                record.display()
            ),
            Self::NoKernel { .. } => "name one under [kernel] in server.toml".to_owned(),
            Self::Record { .. } => "remove it; `cargo xtask image` writes it anew".to_owned(),
            Self::Damaged { .. } => "remove target/heirloom; it can all be made again".to_owned(),
            _ => return None,
        };
        Some(hint)
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn io_hint(path: &Path, source: &io::Error) -> Option<String> {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
            "free some space, or let CARGO_TARGET_DIR name a larger disk; the next run carries on"
                .to_owned(),
        ),
        io::ErrorKind::PermissionDenied => {
            Some(format!("make `{}` yours; was it made by another user?", path.display()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_foreign_file_bring_what_to_do() {
        let hint = |kind: io::ErrorKind| Error::io("write", Path::new("x"))(kind.into()).hint();
        assert!(hint(io::ErrorKind::StorageFull).unwrap().contains("free some space"));
        assert!(hint(io::ErrorKind::PermissionDenied).unwrap().contains("make `x` yours"));
        assert_eq!(hint(io::ErrorKind::InvalidData), None);
    }
}
