//! What is asked of the archive.

use std::collections::BTreeMap;

use digest::Digest;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::names::is_name;
use super::version::is_version;
use crate::extra;
use crate::request::{Pin, digest_of, held, sorted};
use crate::{Extra, OwnFile};

/// The package that brings the keys of all packagers. It is part of every lock: the signatures of
/// the others are checked with it.
pub const KEYRING: &str = "archlinux-keyring";

/// A package or group to install: `name[/repository][=version]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wanted {
    /// The name of a package, of something that a package provides, or of a group.
    pub name: String,
    /// Take it from this repository (`core`).
    pub repository: Option<String>,
    /// Take this version, which has to be in a repository of the day.
    pub version: Option<String>,
}

/// What a lock is asked to hold. The order of what is listed does not matter, but for the
/// repositories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `core`, `extra`, ...: the first that has a package is the one that it is taken from.
    pub repositories: Vec<String>,
    /// `x86_64`
    pub architecture: String,
    /// The day of the archive.
    pub date: Date,
    /// What to install, besides [`KEYRING`].
    pub install: Vec<Wanted>,
    /// Packages held at a version.
    pub pins: Vec<Pin>,
    /// Names that are taken for present: what depends on them, with no version, is satisfied.
    pub assume_installed: Vec<String>,
    /// Fingerprints of the main keys, where an archive has others than Arch's.
    pub main_keys: Vec<String>,
    /// Further repositories, the first that has a package before the others.
    pub extras: Vec<Extra>,
    /// Package files beside the definition, which are installed.
    pub own: Vec<OwnFile>,
    /// Who asks for a package, for people.
    pub asked_by: BTreeMap<String, String>,
}

/// A package to install that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form `name[/repository][=version]`")]
pub struct WantedError(String);

impl std::str::FromStr for Wanted {
    type Err = WantedError;

    fn from_str(text: &str) -> Result<Self, WantedError> {
        let (rest, version) = match text.split_once('=') {
            Some((rest, version)) => (rest, Some(version)),
            None => (text, None),
        };
        let (name, repository) = match rest.split_once('/') {
            Some((name, repository)) => (name, Some(repository)),
            None => (rest, None),
        };
        if !is_name(name) || !repository.is_none_or(is_name) || !version.is_none_or(is_version) {
            return Err(WantedError(text.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            repository: repository.map(str::to_owned),
            version: version.map(str::to_owned),
        })
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        for (mark, part) in [('/', &self.repository), ('=', &self.version)] {
            if let Some(part) = part {
                write!(f, "{mark}{part}")?;
            }
        }
        Ok(())
    }
}

impl Wanted {
    /// Whether it says more than a name.
    pub fn is_more(&self) -> bool {
        self.repository.is_some() || self.version.is_some()
    }
}

impl Request {
    /// A request for a system of that architecture and day, with nothing to install yet: core and
    /// extra. `linux` wants something that provides `initramfs`; a server brings its own.
    pub fn new(architecture: impl Into<String>, date: Date) -> Self {
        Self {
            repositories: vec!["core".to_owned(), "extra".to_owned()],
            architecture: architecture.into(),
            date,
            install: Vec::new(),
            pins: Vec::new(),
            assume_installed: vec!["initramfs".to_owned()],
            main_keys: Vec::new(),
            extras: Vec::new(),
            own: Vec::new(),
            asked_by: BTreeMap::new(),
        }
    }

    /// The digest of everything that decides what a lock holds: a lock with another digest is
    /// stale. Reasons of pins and the order of lists are left out, but for the repositories.
    pub fn digest(&self) -> Digest {
        let mut list = vec![
            ("distribution", vec!["arch".to_owned()]),
            ("repositories", self.repositories.clone()),
            ("architecture", vec![self.architecture.clone()]),
            ("date", vec![self.date.to_string()]),
            ("install", sorted(self.install.iter().map(ToString::to_string).collect())),
            ("pins", held(&self.pins)),
            ("assume-installed", sorted(self.assume_installed.clone())),
            ("main-keys", sorted(self.main_keys.clone())),
        ];
        list.extend(extra::lists(&self.extras, &self.own));
        digest_of(&list)
    }

    /// `core, extra`
    pub fn repository_names(&self) -> String {
        self.all_repositories().collect::<Vec<_>>().join(", ")
    }

    /// The names of the repositories in their order, those beside Arch's last.
    pub fn all_repositories(&self) -> impl Iterator<Item = &str> {
        let extras = self.extras.iter().map(|extra| extra.name.as_str());
        self.repositories.iter().map(String::as_str).chain(extras)
    }
}
