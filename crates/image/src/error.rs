//! What can go wrong between a tree and a medium.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an image could not be made.
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
    /// A program of the tool root failed, or could not be started.
    #[error("cannot make the {what}")]
    Tool {
        /// What was being made.
        what: &'static str,
        /// The program's command, exit and last words.
        source: sandbox::Error,
    },
    /// A manifest, config or layout is not as it has to be.
    #[error(transparent)]
    Generation(#[from] generation::Error),
    /// The first generation has no boot entry.
    #[error(transparent)]
    BootEntry(boot::Error),
    /// A tree's tar archive is not in the form that this crate reads.
    #[error("{}: member `{member}` {why}", tar.display())]
    Tree {
        /// The archive.
        tar: PathBuf,
        /// The member's path.
        member: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that the image needs is not in the tree.
    #[error("the package tree has no file `{0}`")]
    Missing(String),
    /// A driver without which no server boots is in neither the tree nor the kernel.
    #[error("the kernel of {package}, {release}, has no module `{module}`, {needed_by}")]
    NoModule {
        /// The module, or an alias of it.
        module: String,
        /// What needs it.
        needed_by: NeededBy,
        /// The kernel's release.
        release: String,
        /// The package that was asked for.
        package: String,
    },
    /// A kernel module is not one.
    #[error("`{path}` is no kernel module: {why}")]
    BadModule {
        /// Its path in the tree.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A tree has something that an erofs cannot be made of.
    #[error("cannot put `{member}` into an erofs: {why}")]
    Unfit {
        /// The member's path.
        member: String,
        /// What stands in the way.
        why: String,
    },
    /// A file cannot have an extended attribute where it is unpacked.
    #[error("cannot set the extended attribute {name} of `{member}`")]
    Attribute {
        /// The member's path.
        member: String,
        /// The attribute.
        name: String,
        /// The system's word.
        source: io::Error,
    },
    /// The kernel and initramfs, or the blobs, are more than the medium takes.
    #[error("the {what} would take {wanted} bytes, it has {available}")]
    NoRoom {
        /// The partition or medium.
        what: &'static str,
        /// Bytes needed.
        wanted: u64,
        /// Bytes that there are.
        available: u64,
    },
    /// The partition table could not be written.
    #[error("cannot write the partition table of {}", path.display())]
    Partitions {
        /// The image.
        path: PathBuf,
        /// What the crate `gpt` says.
        source: io::Error,
    },
    /// An image cannot be given identifiers of its own.
    #[error("{}: cannot get identifiers of its own: {why}", path.display())]
    NoIds {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The clock is behind the time that goes into the image. mksquashfs takes the clock for the
    /// root directory where it is earlier.
    #[error("the clock of this machine is before SOURCE_DATE_EPOCH, {epoch}")]
    Clock {
        /// Seconds since 1970.
        epoch: u64,
    },
}

/// What a kernel module is needed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NeededBy {
    /// `guest/init`, for this.
    Init(&'static str),
    /// board.toml.
    Board,
    /// Another module.
    Module(String),
}

impl fmt::Display for NeededBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(purpose) => write!(f, "which {purpose} cannot be used without"),
            Self::Board => f.write_str("which the board requires"),
            Self::Module(name) => write!(f, "which `{name}` needs"),
        }
    }
}

impl Error {
    /// What to do now, where there is something that can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room on that filesystem and run the command again".into())
            }
            Self::Tool { source, .. } => source.hint(),
            Self::Generation(source) => source.hint(),
            Self::BootEntry(source) => source.hint().map(Into::into),
            Self::NoIds { .. } => Some("make the image again: `cargo xtask image SERVER`".into()),
            Self::Tree { .. } => Some("remove the stage's result with `cargo clean`".into()),
            Self::Unfit { .. } | Self::Attribute { .. } => Some(
                "a squashfs can hold it: put `format = \"squashfs\"` under [layers] in server.toml"
                    .into(),
            ),
            Self::Missing(_) => {
                Some("the packages of the server's board have to include a kernel".into())
            }
            Self::NoModule { needed_by: NeededBy::Board, .. } => Some(
                "correct `required` under [initramfs] in board.toml: names are those of `lsmod`; \
                 or take another kernel: `package` under [kernel] in server.toml"
                    .into(),
            ),
            Self::NoModule { needed_by: NeededBy::Init("the layers"), .. } => Some(
                "take another kernel: `package` under [kernel] in server.toml; or another format: \
                 `format` under [layers]"
                    .into(),
            ),
            Self::NoModule { .. } => {
                Some("take another kernel: `package` under [kernel] in server.toml".into())
            }
            Self::NoRoom { .. } => {
                Some("put fewer modules into the initramfs, or fewer files into the image".into())
            }
            Self::Clock { .. } => {
                Some("set the clock, or SOURCE_DATE_EPOCH to an earlier time".into())
            }
            Self::Io { .. } | Self::BadModule { .. } | Self::Partitions { .. } => None,
        }
    }

    /// For `map_err`: the action and the file that an input or output error belongs to.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
