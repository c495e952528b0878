//! What can be wrong with a generation, and how errors are put on one line.

use std::fmt;
use std::io;
use std::path::PathBuf;

use digest::Digest;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with a generation, or with where it is kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A document is larger than any honest one.
    #[error("the {what} has {size} bytes, more than {limit}")]
    TooLarge {
        /// Which document.
        what: &'static str,
        /// Its length in bytes.
        size: u64,
        /// The longest that is read.
        limit: u64,
    },
    /// A document is no JSON, or JSON of another shape.
    #[error("the {what} is not one that this version reads")]
    Json {
        /// Which document.
        what: &'static str,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
    /// A document says the right thing in other bytes than its canonical ones.
    #[error("the {what} is not in its canonical form")]
    NotCanonical {
        /// Which document.
        what: &'static str,
    },
    /// A value that no generation has.
    #[error("{field}: {why}")]
    Invalid {
        /// The field, with its index where it is one of many.
        field: String,
        /// What is wrong with its value.
        why: String,
    },
    /// A parameter of the kernel's command line that the boot entry must give.
    #[error("the kernel's command line has no `{0}`")]
    NoParameter(&'static str),
    /// A parameter of the kernel's command line that cannot be read.
    #[error("`{parameter}={value}` on the kernel's command line: {why}")]
    BadParameter {
        /// Which parameter.
        parameter: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file or directory of a layout could not be used.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A blob whose bytes are not those that its digest names.
    #[error("blob {expected} has other bytes: {found}, {size} bytes")]
    WrongBlob {
        /// The digest in the descriptor.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
        /// How many bytes there are.
        size: u64,
    },
    /// A blob of another length than its descriptor says.
    #[error("blob {digest} has {found} bytes, its descriptor says {expected}")]
    WrongSize {
        /// The digest in the descriptor.
        digest: Digest,
        /// The length in the descriptor.
        expected: u64,
        /// The length found; where reading was stopped, what was read by then.
        found: u64,
    },
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    /// What to do now, where there is something that can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooLarge { .. } | Self::NotCanonical { .. } => {
                Some("heirloom did not write it: fetch or build the generation again".into())
            }
            Self::Json { .. } => Some(
                "it may be from a newer heirloom: use the version that made it, or build it again"
                    .into(),
            ),
            Self::NoParameter(_) | Self::BadParameter { .. } => {
                Some("boot one of the entries that heirloom wrote".into())
            }
            Self::WrongBlob { .. } | Self::WrongSize { .. } => {
                Some("the blob is damaged: remove it and fetch or build it again".into())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room on that filesystem; what was there is as it was".into())
            }
            Self::Invalid { .. } | Self::Io { .. } => None,
        }
    }
}

/// An error and its causes on one line, as a log, a record and the other end of a wire want them.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(source) = error.source() {
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}
