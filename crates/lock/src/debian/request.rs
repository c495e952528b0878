//! What is asked of the archive.

use std::collections::BTreeMap;

use digest::Digest;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::names::{is_package_name, is_qualifier};
use super::version::{Version, VersionError};
use crate::extra;
use crate::request::{Pin, digest_of, held, sorted};
use crate::{Extra, OwnFile};

/// A part of a release beside its main suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Pocket {
    /// `bookworm-updates`: fixes between two point releases.
    Updates,
    /// `bookworm-security`, in an archive of its own.
    Security,
    /// `bookworm-backports`: newer versions, taken only when asked for.
    Backports,
}

/// A package to install, as apt writes it: `name[:architecture][/suite][=version]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wanted {
    /// The package's name.
    pub name: String,
    /// The architecture, when it is not the first of the request.
    pub architecture: Option<String>,
    /// Take the version of this suite (`bookworm-backports`), and for what it depends on too
    /// where nothing else satisfies it.
    pub suite: Option<String>,
    /// Take this version.
    pub version: Option<String>,
}

/// What a lock is asked to hold. The order of what is listed does not matter, but for the
/// architectures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The release: `bookworm`.
    pub suite: String,
    /// Its parts beside the main suite.
    pub pockets: Vec<Pocket>,
    /// `main`, `contrib`, ...
    pub components: Vec<String>,
    /// The day of the archive.
    pub date: Date,
    /// The architecture of the server, and further ones that packages are taken from.
    pub architectures: Vec<String>,
    /// What to install.
    pub install: Vec<Wanted>,
    /// Packages held at a version.
    pub pins: Vec<Pin>,
    /// Whether to install what is recommended.
    pub recommends: bool,
    /// Whether to install the Essential packages, as a system needs and a tool root does not.
    pub essential: bool,
    /// Packages that are taken for present: what depends on them is satisfied.
    pub assume_installed: Vec<String>,
    /// Further repositories, the first that has a package before the others.
    pub extras: Vec<Extra>,
    /// Package files beside the definition, which are installed.
    pub own: Vec<OwnFile>,
    /// Who asks for a package, for people.
    pub asked_by: BTreeMap<String, String>,
}

/// Why a package to install is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WantedError {
    /// Not of the form.
    #[error("`{0}` is not of the form `name[:architecture][/suite][=version]`")]
    Form(String),
    /// The version is none.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl std::str::FromStr for Pocket {
    type Err = String;

    /// Reads `updates`, `security`, `backports`.
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Updates, Self::Security, Self::Backports]
            .into_iter()
            .find(|pocket| pocket.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not one of updates, security, backports"))
    }
}

impl Pocket {
    /// `updates`, `security`, `backports`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Updates => "updates",
            Self::Security => "security",
            Self::Backports => "backports",
        }
    }
}

impl std::str::FromStr for Wanted {
    type Err = WantedError;

    fn from_str(text: &str) -> Result<Self, WantedError> {
        let (rest, version) = match text.split_once('=') {
            Some((rest, version)) => (rest, Some(version)),
            None => (text, None),
        };
        let (rest, suite) = match rest.split_once('/') {
            Some((rest, suite)) => (rest, Some(suite)),
            None => (rest, None),
        };
        let (name, architecture) = match rest.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (rest, None),
        };
        let formed = is_package_name(name)
            && architecture.is_none_or(is_qualifier)
            && suite.is_none_or(is_package_name);
        if !formed {
            return Err(WantedError::Form(text.to_owned()));
        }
        if let Some(version) = version {
            version.parse::<Version>()?;
        }
        Ok(Self {
            name: name.to_owned(),
            architecture: architecture.map(str::to_owned),
            suite: suite.map(str::to_owned),
            version: version.map(str::to_owned),
        })
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        for (mark, part) in [(':', &self.architecture), ('/', &self.suite), ('=', &self.version)] {
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
        self.architecture.is_some() || self.suite.is_some() || self.version.is_some()
    }
}

impl Request {
    /// A request for a system of that release and architecture, with nothing to install yet: main
    /// only, with updates and security, with the Essential packages.
    pub fn new(suite: impl Into<String>, architecture: impl Into<String>, date: Date) -> Self {
        Self {
            suite: suite.into(),
            pockets: vec![Pocket::Updates, Pocket::Security],
            components: vec!["main".to_owned()],
            date,
            architectures: vec![architecture.into()],
            install: Vec::new(),
            pins: Vec::new(),
            recommends: false,
            essential: true,
            assume_installed: Vec::new(),
            extras: Vec::new(),
            own: Vec::new(),
            asked_by: BTreeMap::new(),
        }
    }

    /// A request for the closure of some packages and nothing else, as a tool root is made of.
    pub fn closure(mut self, install: Vec<Wanted>) -> Self {
        self.install = install;
        self.essential = false;
        self
    }

    /// The digest of everything that decides what a lock holds: a lock with another digest is
    /// stale. Reasons of pins and the order of lists are left out; which architecture comes
    /// first is not.
    pub fn digest(&self) -> Digest {
        let strings = |items: &[String]| sorted(items.to_vec());
        let mut list = vec![
            ("suite", vec![self.suite.clone()]),
            ("pockets", sorted(self.pockets.iter().map(|p| p.as_str().to_owned()).collect())),
            ("components", strings(&self.components)),
            ("date", vec![self.date.to_string()]),
            ("architectures", self.architectures.clone()),
            ("install", sorted(self.install.iter().map(ToString::to_string).collect())),
            ("pins", held(&self.pins)),
            ("recommends", vec![self.recommends.to_string()]),
            ("essential", vec![self.essential.to_string()]),
            ("assume-installed", strings(&self.assume_installed)),
        ];
        list.extend(extra::lists(&self.extras, &self.own));
        digest_of(&list)
    }

    /// The architecture of the server.
    pub fn native(&self) -> &str {
        self.architectures.first().map_or("", String::as_str)
    }
}
