//! Why a source did not give what was asked of it.

use std::fmt;

use digest::Digest;

/// Why one source did not give one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It does not have the file.
    Absent,
    /// It answered with this HTTP status.
    Status(u16),
    /// Other bytes of the right size.
    Altered {
        /// The sha256 of what came.
        found: Digest,
    },
    /// More bytes than there should be, as far as was looked.
    Oversized {
        /// How many were expected.
        expected: u64,
    },
    /// It gave an end before the file's.
    Truncated {
        /// How many bytes came.
        found: u64,
        /// How many were expected.
        expected: u64,
    },
    /// The connection broke or stalled, again and again.
    Interrupted(String),
    /// It sent, and so little that the file would take for ever.
    TooSlow {
        /// The least that it has to send, in bytes a second.
        least: u64,
    },
    /// No connection: name not found, refused, no route, wrong certificate.
    Unreachable(String),
    /// Not asked, because this became known of it before.
    SetAside(String),
    /// What came was whole, but its reader did not accept it (a signature, a date).
    Unacceptable(String),
}

impl Reason {
    /// Whether the source is at fault, rather than merely without the file.
    pub(crate) fn is_fault(&self) -> bool {
        !matches!(self, Self::Absent | Self::SetAside(_) | Self::Unacceptable(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "does not have it"),
            Self::Status(status) => write!(f, "answered with HTTP status {status}"),
            Self::Altered { found } => write!(f, "sent other bytes ({found})"),
            Self::Oversized { expected } => write!(f, "sent more than {expected} bytes"),
            Self::Truncated { found, expected } => {
                write!(f, "sent {found} bytes instead of {expected}")
            }
            Self::Interrupted(why) => write!(f, "broke off: {why}"),
            Self::TooSlow { least } => write!(f, "sent less than {least} bytes a second"),
            Self::Unreachable(why) => write!(f, "cannot be reached: {why}"),
            Self::SetAside(why) => write!(f, "was not asked again: {why}"),
            Self::Unacceptable(why) => write!(f, "was not accepted: {why}"),
        }
    }
}

/// A source that did not give a file, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The source, as a person would write it, without credentials.
    pub source: String,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.reason)
    }
}
