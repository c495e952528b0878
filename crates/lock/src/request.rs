//! A request to either archive.

use digest::Digest;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{OwnFile, arch, debian};

/// A package that is held at a version, against everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The package's name.
    pub name: String,
    /// The version: of Debian's, one in the indexes; of Arch's, one in a repository of the day or in
    /// the archive's package tree.
    pub version: String,
    /// Why; for people.
    pub reason: String,
}

/// What a server's definition asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Of Debian's archive.
    Debian(debian::Request),
    /// Of Arch's.
    Arch(arch::Request),
}

impl Request {
    /// The day of the archive.
    pub fn date(&self) -> Date {
        match self {
            Self::Debian(request) => request.date,
            Self::Arch(request) => request.date,
        }
    }

    /// The same of another day, with nothing held at a version.
    #[must_use]
    pub fn unpinned_at(mut self, day: Date) -> Self {
        match &mut self {
            Self::Debian(debian::Request { date, pins, .. }) => {
                *date = day;
                pins.clear();
            }
            Self::Arch(arch::Request { date, pins, .. }) => {
                *date = day;
                pins.clear();
            }
        }
        self
    }

    /// Package files beside the definition.
    pub fn own(&self) -> &[OwnFile] {
        match self {
            Self::Debian(request) => &request.own,
            Self::Arch(request) => &request.own,
        }
    }

    /// The digest of everything that decides what a lock holds: a lock with another is stale.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Debian(request) => request.digest(),
            Self::Arch(request) => request.digest(),
        }
    }
}

/// The digest of lists under their names: what a request asks for, in a form of which no two
/// requests have the same.
pub(crate) fn digest_of(lists: &[(&str, Vec<String>)]) -> Digest {
    let mut hasher = digest::Hasher::new();
    for (name, items) in lists {
        hasher.update(format!("{name} {}\n", items.len()).as_bytes());
        for item in items {
            hasher.update(format!("{} {item}\n", item.len()).as_bytes());
        }
    }
    hasher.finish()
}

/// A list whose order says nothing.
pub(crate) fn sorted(mut items: Vec<String>) -> Vec<String> {
    items.sort();
    items.dedup();
    items
}

/// What pins decide: which versions, and not why.
pub(crate) fn held(pins: &[Pin]) -> Vec<String> {
    sorted(pins.iter().map(|pin| format!("{}={}", pin.name, pin.version)).collect())
}
