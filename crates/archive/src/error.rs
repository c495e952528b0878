//! What can go wrong between a request and a lock.

use std::io;

use jiff::civil::Date;
use lock::debian::WantedError;

use crate::arch::SignatureError as SignatureOfPackage;
use crate::debian::{KeyringError, SignatureError};

/// The cause of an error that another crate knows more of.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error of making a lock, or of checking what it says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request with a package that is not understood.
    #[error(transparent)]
    Wanted(#[from] WantedError),
    /// A request that no archive can answer.
    #[error("cannot resolve: {what}")]
    Request {
        /// What is wrong with it.
        what: String,
    },
    /// A file of the archive cannot be had.
    #[error("cannot fetch {what}")]
    Fetch {
        /// The file.
        what: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The package that holds the archive's keys is not what it should be.
    #[error("cannot read the archive keyring from {package}")]
    KeyringPackage {
        /// The package file.
        package: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The archive's keys are not understood.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// No source has an index that may stand for the day.
    #[error("{}no index of {suite} can be used for {date}", at(place.as_deref()))]
    NoIndex {
        /// Where it is named, where it is not the distribution's.
        place: Option<String>,
        /// The suite.
        suite: String,
        /// The day that was asked for.
        date: Date,
        /// Why indexes that were found were passed over.
        refusals: Vec<WhyNot>,
        /// Every source that was asked, with its reason.
        #[source]
        source: Cause,
    },
    /// A signed index does not have what is asked for.
    #[error("{}{suite} has no {component} for {architecture}", at(place.as_deref()))]
    NoComponent {
        /// Where the suite is named, where it is not the distribution's.
        place: Option<String>,
        /// The suite.
        suite: String,
        /// The component.
        component: String,
        /// The architecture.
        architecture: String,
    },
    /// A list of packages is not understood.
    #[error("cannot understand {file} of {suite}: {what}")]
    Index {
        /// The suite.
        suite: String,
        /// The file below the suite.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A package that is in no index.
    #[error(
        "there is no package `{name}` in {suites} of {date}{}",
        .asked_by.as_ref().map(|by| format!("; {by} asks for it")).unwrap_or_default()
    )]
    UnknownPackage {
        /// The package.
        name: String,
        /// The suites that were looked through.
        suites: String,
        /// Their day.
        date: Date,
        /// Who asks for it, and where.
        asked_by: Option<String>,
        /// Packages of similar names, or those that provide it.
        similar: Vec<String>,
    },
    /// A package whose entry in an index is not understood.
    #[error("{suite} has a `{name}` that is not understood: {what}")]
    LeftOut {
        /// The package.
        name: String,
        /// The suite or repository.
        suite: String,
        /// What is wrong with the entry.
        what: String,
    },
    /// A version that is in no index.
    #[error("{name} has no version {version} in {suites} of {date}")]
    UnknownVersion {
        /// The package.
        name: String,
        /// The version that was asked for.
        version: String,
        /// The suites that were looked through.
        suites: String,
        /// Their day.
        date: Date,
        /// The versions that are there.
        available: Vec<String>,
        /// Whether a pin asks for it.
        pinned: bool,
    },
    /// A pinned version that is nowhere.
    #[error(
        "{name} {version} is neither in a repository of {date} nor in the archive's package tree"
    )]
    NoSuchPin {
        /// The package.
        name: String,
        /// The version that was asked for.
        version: String,
        /// Their day.
        date: Date,
        /// The versions that are known.
        available: Vec<String>,
        /// Every source that was asked, with its reason.
        #[source]
        source: Cause,
    },
    /// A package whose signature does not count.
    #[error("{package} is not accepted: {source}")]
    Signature {
        /// The package and its version.
        package: String,
        /// By whom it is, and why that does not count.
        source: SignatureOfPackage,
    },
    /// A package file that is another package than the lock says.
    #[error("the file of {package} is not that package: {what}")]
    OtherPackage {
        /// The package and its version, as the lock has them.
        package: String,
        /// What is in the file.
        what: String,
    },
    /// A package that the suite that was named does not have.
    #[error("{}{suite} has no package `{name}`", at(place.as_deref()))]
    NotInSuite {
        /// Where it is named, where that is known.
        place: Option<String>,
        /// The package.
        name: String,
        /// The suite that was named.
        suite: String,
        /// The suites of the request.
        suites: String,
    },
    /// The key file of a repository beside the distribution's is not understood.
    #[error("{place}: the key file of `{archive}` is no keyring")]
    KeyFile {
        /// Where the repository is named.
        place: String,
        /// The repository.
        archive: String,
        /// What is wrong.
        #[source]
        source: KeyringError,
    },
    /// The key file of a repository has other keys than the definition says.
    #[error("{place}: the key file of `{archive}` has no key {fingerprint}")]
    OtherKey {
        /// Where the repository is named.
        place: String,
        /// The repository.
        archive: String,
        /// The fingerprint that the definition has.
        fingerprint: String,
        /// Those that the file has.
        found: Vec<String>,
    },
    /// A package of a repository beside the distribution's has other bytes than before.
    #[error("`{archive}` has other bytes as {package} than the lock: {found} and not {locked}")]
    Replaced {
        /// The package and its version.
        package: String,
        /// The repository.
        archive: String,
        /// The digest that the lock has.
        locked: digest::Digest,
        /// The digest that the repository has.
        found: digest::Digest,
    },
    /// A package file beside the definition cannot be installed.
    #[error("{place}: `{path}` {what}")]
    OwnFile {
        /// Where it is named.
        place: String,
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// Two package files beside the definition are of one package.
    #[error("{place}: `{path}` is the package `{name}`, as `{other}` is ({other_place})")]
    OwnTwice {
        /// The package.
        name: String,
        /// Where the second is named.
        place: String,
        /// The second.
        path: String,
        /// The first.
        other: String,
        /// Where that is named.
        other_place: String,
    },
    /// The request contradicts itself or the archive.
    #[error("these packages cannot be installed together:\n{explanation}")]
    Unsatisfiable {
        /// The chain that conflicts, one step a line.
        explanation: String,
    },
}

/// Why an index was passed over.
#[derive(Debug, thiserror::Error)]
pub enum WhyNot {
    /// Its signature does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The detached signature beside it does not count.
    #[error("its signature does not count: {0}")]
    Detached(SignatureOfPackage),
    /// There is no signature beside it, and one is needed.
    #[error("its database is not signed")]
    Unsigned,
    /// It is no index.
    #[error("{0}")]
    Malformed(String),
    /// It belongs to another suite.
    #[error("it is the index of {0}")]
    OtherSuite(String),
    /// It was signed after the day.
    #[error("it is of {0}, after that day")]
    TooNew(Date),
    /// It is older than its repository wants anybody to be content with.
    #[error("it was valid until {0} (`Valid-Until`)")]
    Expired(jiff::Timestamp),
    /// It was signed before the one that the lock already has.
    #[error(
        "it is of {found}, older than the one of the lock ({locked}): an old index is replayed"
    )]
    Replayed {
        /// When it was signed.
        found: jiff::Timestamp,
        /// When the lock's was.
        locked: jiff::Timestamp,
    },
}

/// A place before a message.
fn at(place: Option<&str>) -> String {
    place.map(|place| format!("{place}: ")).unwrap_or_default()
}

impl Error {
    /// What to do now.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoIndex { refusals, place, .. } => match no_index_hint(refusals) {
                None if place.is_some() && refusals.is_empty() => {
                    "look at `url` and `suite` of this repository, and whether it can be reached"
                        .to_owned()
                }
                hint => hint?,
            },
            Self::NoComponent { .. } => {
                "see `components` and `pockets` under [archive] in server.toml, and `components` \
                 of [[archive.extra]]"
                    .to_owned()
            }
            Self::KeyFile { .. } => {
                "`gpg --armor --export FINGERPRINT` writes one; binary ones are read too".to_owned()
            }
            Self::OtherKey { found, .. } => format!("it has {}", found.join(", ")),
            Self::Replaced { .. } => {
                "nothing is taken of it; ask its owner, and if that is meant, remove server.lock \
                 and lock anew"
                    .to_owned()
            }
            Self::OwnTwice { .. } => "leave one of them out".to_owned(),
            Self::UnknownPackage { similar, .. } if !similar.is_empty() => {
                format!("did you mean {}?", similar.join(", "))
            }
            Self::UnknownPackage { .. } => {
                "it may be in a component, pocket or repository that [archive] in server.toml does \
                 not name"
                    .to_owned()
            }
            Self::NoSuchPin { name, available, .. } => match available.as_slice() {
                [] => format!("no version of {name} is known"),
                versions => format!("there is {}", versions.join(", ")),
            },
            Self::Signature { .. } => {
                "nothing of it is used; move `date`, or pin a version whose signature is good"
                    .to_owned()
            }
            Self::LeftOut { .. } => {
                "the database of that day is damaged there: move `date`, or pin a version of it"
                    .to_owned()
            }
            Self::UnknownVersion { available, pinned, .. } => {
                let there = match available.as_slice() {
                    [] => "there is no version of it at all".to_owned(),
                    versions => format!("there is {}", versions.join(", ")),
                };
                let date = if *pinned {
                    "; a version of another day can be pinned by moving `date` to a day that has it"
                } else {
                    ""
                };
                format!("{there}{date}")
            }
            Self::NotInSuite { suites, .. } => format!("the suites asked for are {suites}"),
            Self::Unsatisfiable { .. } => {
                "leave one of them out, or pin a version that fits: `cargo xtask pin`".to_owned()
            }
            _ => return None,
        })
    }
}

fn no_index_hint(refusals: &[WhyNot]) -> Option<String> {
    let any = |test: fn(&WhyNot) -> bool| refusals.iter().any(test);
    if any(|why| matches!(why, WhyNot::Unsigned)) {
        return Some("`repo-add --sign` signs a database, into NAME.db.sig".to_owned());
    }
    if any(|why| matches!(why, WhyNot::Expired(_))) {
        return Some(
            "the repository is no longer looked after, or somebody shows an old state of it"
                .to_owned(),
        );
    }
    if any(|why| matches!(why, WhyNot::Replayed { .. })) {
        return Some("to go back on purpose, set `date` to an earlier day than the lock's".into());
    }
    if any(|why| matches!(why, WhyNot::OtherSuite(_))) {
        return Some("name the release by its codename: `bookworm`, not `stable`".to_owned());
    }
    if any(|why| matches!(why, WhyNot::TooNew(_))) {
        return Some(
            "the mirrors have moved on and the dated archive cannot be reached: try again later, \
             or move `date` forward"
                .to_owned(),
        );
    }
    None
}
