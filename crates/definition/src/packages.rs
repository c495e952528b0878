//! What is asked of the package archive.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::archive::SuiteName;
use crate::names::{Reason, Refused, check_name, checked_text, shown};
use crate::span::Located;
use crate::{DistributionName, Origin, PartName, Problem, read};

checked_text! {
    /// A package's name, in the characters that Debian (Policy 5.6.1) or Arch (PKGBUILD(5),
    /// pkgname) allows. Capitals are Arch's alone: the lists of a server are checked when it is composed.
    PackageName, check_package
}

const NAME_HINT: &str = "a package's name as the archive writes it; as in `dovecot-imapd`";

fn check_package(text: &str) -> Result<(), Refused> {
    check_name(&text.to_ascii_lowercase(), 128, |c| c != '-' && c != '.', "@._+-", NAME_HINT)
}

impl PackageName {
    /// Whether a package of that distribution can be called so.
    pub(crate) fn check_for(&self, distribution: DistributionName) -> Result<(), Refused> {
        let capital = self.0.chars().find(char::is_ascii_uppercase);
        match (distribution, capital) {
            (DistributionName::Debian, Some(capital)) => {
                Err(Refused::new(format!("has {}", shown(capital)), NAME_HINT))
            }
            _ => Ok(()),
        }
    }
}

checked_text! {
    /// A package's version: `1:2.3.19.1+dfsg1-2.1+deb12u6`, `6.12.1.arch1-1`.
    Version, check_version
}

fn check_version(text: &str) -> Result<(), Refused> {
    let hint = "a version as the archive writes it, with epoch and revision";
    if text.is_empty() {
        return Err(Refused::new("is an empty version", hint));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".+-~:_".contains(c);
    match text.chars().find(|&c| !allowed(c)) {
        Some(wrong) => Err(Refused::new(format!("has {} in its version", shown(wrong)), hint)),
        None => Ok(()),
    }
}

checked_text! {
    /// A question that a Debian package asks when it is configured: `postfix/main_mailer_type`.
    DebconfQuestion, check_question
}

fn check_question(text: &str) -> Result<(), Refused> {
    let hint = "`package/question`; `debconf-show PACKAGE` lists a package's questions";
    let well_formed = text.split_once('/').is_some_and(|(package, question)| {
        !package.is_empty()
            && !question.is_empty()
            && text.chars().all(|c| c.is_ascii_graphic() && c != '"')
    });
    if well_formed { Ok(()) } else { Err(Refused::new("is no debconf question", hint)) }
}

/// An answer to a debconf question: one line.
pub(crate) struct Answer(pub(crate) String);

impl FromStr for Answer {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.chars().any(char::is_control) {
            return Err(Refused::new("has a line break", "an answer is one line"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Which of a package's versions is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Constraint {
    /// The one that the archive prefers.
    Any,
    /// The one of a suite: `linux-image-cloud-amd64/bookworm-backports`.
    Suite(SuiteName),
    /// This one: `dovecot-core=1:2.3.19.1+dfsg1-2.1`.
    Version(Version),
}

/// A line of `install`: `name`, `name/suite` or `name=version`, as apt writes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PackageRequest {
    /// The package.
    pub name: PackageName,
    /// Which of its versions.
    pub constraint: Constraint,
    /// Where it is asked for.
    pub origin: Origin,
}

/// Who asks for a package: the first part, in the order of laying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedFor {
    /// The part.
    pub part: PartName,
    /// Where it asks.
    pub origin: Origin,
}

impl fmt::Display for PackageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.constraint {
            Constraint::Any => write!(f, "{}", self.name),
            Constraint::Suite(suite) => write!(f, "{}/{suite}", self.name),
            Constraint::Version(version) => write!(f, "{}={version}", self.name),
        }
    }
}

/// A request that does not know yet where it was written.
struct Unplaced {
    name: PackageName,
    constraint: Constraint,
}

/// The same package asked for a second time is a mistake, whatever its constraint.
impl PartialEq for Unplaced {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl FromStr for Unplaced {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (name, constraint) = if let Some((name, version)) = text.split_once('=') {
            (name, Constraint::Version(version.parse()?))
        } else if let Some((name, suite)) = text.split_once('/') {
            (name, Constraint::Suite(suite.parse()?))
        } else {
            (text, Constraint::Any)
        };
        Ok(Self { name: name.parse()?, constraint })
    }
}

/// A request that stands alone.
pub(crate) fn request(text: &str) -> Result<(PackageName, Constraint), Refused> {
    text.parse().map(|Unplaced { name, constraint }| (name, constraint))
}

/// The requests of a list.
pub(crate) fn requests(value: &read::Value<'_, '_>) -> Vec<PackageRequest> {
    let placed = |Located { value, origin }: Located<Unplaced>| PackageRequest {
        name: value.name,
        constraint: value.constraint,
        origin,
    };
    value.texts::<Unplaced>().unwrap_or_default().into_iter().map(placed).collect()
}

/// A package that is held at a version, whatever the date says.
///
/// ```toml
/// [packages]
/// pin = [{ name = "dovecot-core", version = "1:2.3.19.1+dfsg1-2.1", reason = "#1234" }]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pin {
    /// The package.
    pub name: PackageName,
    /// The version.
    pub version: Version,
    /// Why: whoever moves the date next will want to know.
    pub reason: String,
    /// Where it is written.
    pub origin: Origin,
}

/// The pins of a list.
pub(crate) fn pins(value: &read::Value<'_, '_>) -> Vec<Pin> {
    let mut pins: Vec<Pin> = Vec::new();
    for item in value.items().unwrap_or_default() {
        let Some(mut table) = item.table() else { continue };
        let example = r#"{ name = "nginx", version = "1.22.1-9", reason = "why" }"#;
        let name = table.required("name", example).and_then(|value| value.text());
        let version = table.required("version", example).and_then(|value| value.text());
        let reason = table.required("reason", example).and_then(|value| value.text::<Reason>());
        table.finish();
        let (Some(name), Some(version), Some(reason)) = (name, version, reason) else { continue };
        let pin = Pin {
            name: name.value,
            version: version.value,
            reason: reason.value.0,
            origin: name.origin,
        };
        match pins.iter().find(|known| known.name == pin.name) {
            Some(first) => {
                let message = format!("`{}` is pinned twice", pin.name);
                let problem = Problem::new(&pin.origin, message).and(&first.origin);
                item.report(problem.hint("a package has one version: remove one pin".to_owned()));
            }
            None => pins.push(pin),
        }
    }
    pins
}
