//! Why something is not healthy.

use std::fmt;
use std::io;

/// Why something is not healthy; its text names what was asked and what came back.
#[derive(Debug)]
pub enum Failure {
    /// The address is not a name or number with a port, or has no meaning here.
    Address {
        /// The address as it was given.
        address: String,
        /// What the resolver said; nothing when it found no address.
        source: Option<io::Error>,
    },
    /// No connection, or it broke.
    Network {
        /// The address.
        address: String,
        /// What was being done: `connect`, `read`, `write`.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The service said something else.
    Answer {
        /// The address.
        address: String,
        /// What a healthy service says.
        expected: String,
        /// What this one said: the first line, shortened.
        answer: String,
    },
    /// systemd says something else than `active`.
    Unit {
        /// The unit's name.
        name: String,
        /// Its state, or why that could not be learnt.
        state: String,
    },
    /// Something of the server's own.
    Other(String),
}

impl Failure {
    /// A failure of the server's own, in words.
    pub fn other(what: impl fmt::Display) -> Self {
        Self::Other(what.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { address, source: Some(source) } => {
                write!(f, "`{address}` cannot be resolved: {source}")
            }
            Self::Address { address, source: None } => write!(f, "`{address}` has no address"),
            Self::Network { address, action, source } => {
                write!(f, "cannot {action} {address}: {source}")
            }
            Self::Answer { address, expected, answer } => {
                write!(f, "{address} answered `{answer}` where `{expected}` was expected")
            }
            Self::Unit { name, state } => write!(f, "{name} is not active: {state}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Network { source, .. } | Self::Address { source: Some(source), .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}
