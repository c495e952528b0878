//! What can go wrong with the store.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::refusal::{Reason, Refusal};

/// The result of most functions here.
pub type Result<T> = std::result::Result<T, Error>;

/// A file that no source gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The file's name, as in [`Item::name`](crate::Item::name).
    pub name: String,
    /// Each source that was asked, in order, with its reason.
    pub refusals: Vec<Refusal>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither HEIRLOOM_CACHE nor XDG_CACHE_HOME nor HOME says where to keep files.
    #[error("there is no cache folder: HOME is not set")]
    NoHome,
    /// A file or folder of the store, of a vault or of the configuration.
    #[error("could not {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The user's configuration is not what it should be.
    #[error("could not read the configuration `{}`", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong.
        source: Box<toml::de::Error>,
    },
    /// A mirror that is no mirror.
    #[error("`{url}` in `{}` is no mirror: {why}", path.display())]
    Mirror {
        /// The configuration file.
        path: PathBuf,
        /// What stands there.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A proxy that is no proxy.
    #[error("`{variable}` in the environment is no proxy address")]
    Proxy {
        /// The environment variable. Its value may hold a password and is not shown.
        variable: String,
    },
    /// A path that is not one inside an archive.
    #[error("`{}` is not a path inside an archive", path.escape_debug())]
    ArchivePath {
        /// The path.
        path: String,
    },
    /// `--offline`, and files are missing.
    #[error("{}", offline_message(missing))]
    Offline {
        /// The files, with what vaults and folders said, if there are any.
        missing: Vec<Failure>,
    },
    /// `--offline`, and a file is needed of which no hash is known: a signed index.
    #[error("{}", offline_message(std::slice::from_ref(missing)))]
    OfflineIndex {
        /// The file, with what folders said, if there are any.
        missing: Failure,
    },
    /// No source gave these files.
    #[error("{}", unavailable_message(failures))]
    Unavailable {
        /// The files, each with what every source said.
        failures: Vec<Failure>,
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
            Self::NoHome => Some("set HOME, or HEIRLOOM_CACHE to a folder".to_owned()),
            Self::Io { path, source, .. } => io_hint(path, source),
            Self::Config { .. } | Self::Mirror { .. } => Some(
                "mirrors are written as `[mirrors]` and `debian = [\"http://…/debian\"]`"
                    .to_owned(),
            ),
            Self::Proxy { variable } => {
                Some(format!("write it as `{variable}=http://host:port`, or unset it"))
            }
            Self::ArchivePath { .. } => {
                Some("the lock or index that holds it is damaged: make it anew".to_owned())
            }
            Self::Offline { .. } => Some(
                "run once without `--offline`, or give a folder that has the files with `--vault`"
                    .to_owned(),
            ),
            Self::OfflineIndex { .. } => Some(
                "a lock is made with the network: leave out `--offline`, or name a mirror that is a \
                 folder (`file://`) in ~/.config/heirloom/config.toml; vaults have no indexes"
                    .to_owned(),
            ),
            Self::Unavailable { failures } => Some(unavailable_hint(failures)),
        }
    }
}

fn io_hint(path: &Path, source: &io::Error) -> Option<String> {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
            "free some space, or let HEIRLOOM_CACHE name a folder on a larger disk; the next run \
             carries on where this one stopped"
                .to_owned(),
        ),
        io::ErrorKind::PermissionDenied => {
            Some(format!("make `{}` yours; was it made by another user?", path.display()))
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("let HEIRLOOM_CACHE name a folder that can be written".to_owned())
        }
        _ => None,
    }
}

/// How many names or failures a message shows.
const SHOWN: usize = 5;

fn offline_message(missing: &[Failure]) -> String {
    let files = if missing.len() == 1 { "file is" } else { "files are" };
    let mut message =
        format!("{} {files} not in the store, and `--offline` was given:", missing.len());
    for Failure { name, refusals } in missing.iter().take(SHOWN) {
        let _infallible = write!(message, "\n  {name}");
        for refusal in refusals {
            let _infallible = write!(message, "\n    {refusal}");
        }
    }
    and_more(&mut message, missing.len());
    message
}

fn unavailable_message(failures: &[Failure]) -> String {
    let mut message = String::new();
    for (index, failure) in failures.iter().take(SHOWN).enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        let _infallible = write!(message, "{separator}no source has `{}`:", failure.name);
        if failure.refusals.is_empty() {
            message.push_str(" there is no source to ask");
        }
        for refusal in &failure.refusals {
            let _infallible = write!(message, "\n  {refusal}");
        }
    }
    and_more(&mut message, failures.len());
    message
}

fn and_more(message: &mut String, count: usize) {
    if count > SHOWN {
        let _infallible = write!(message, "\n  and {} more", count - SHOWN);
    }
}

fn unavailable_hint(failures: &[Failure]) -> String {
    let mut reasons = failures.iter().flat_map(|f| &f.refusals).map(|refusal| &refusal.reason);
    let unreachable =
        reasons.all(|reason| matches!(reason, Reason::Unreachable(_) | Reason::SetAside(_)));
    let advice = if unreachable {
        "is there a network? behind a proxy, set http_proxy and https_proxy; "
    } else {
        ""
    };
    format!(
        "{advice}name a mirror that has the files under `[mirrors]` or another dated archive under \
         `[dated]` in ~/.config/heirloom/config.toml, or give a vault"
    )
}
