//! `[archive]`: which distribution, and of which day.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::extra::{Extra, read_extras};
use crate::names::{Refused, check_name, checked_text};
use crate::span::Located;
use crate::{Origin, Problem, read, suggest};

/// The table `[archive]` of server.toml.
///
/// ```toml
/// [archive]
/// distribution = "debian"
/// suite = "bookworm"                    # debian
/// pockets = ["updates", "security"]     # debian; this is the default; also "backports"
/// components = ["main"]                 # debian; this is the default
/// date = "2026-11-22"
/// ```
///
/// With `distribution = "arch"` there is `repositories`, `["core", "extra"]` by default, in place
/// of suite, pockets and components; and for an archive of one's own `main-keys`, the fingerprints
/// of the keys that its keyring's main keys are, in place of those of Arch Linux. Repositories
/// beside the distribution's: see [`Extra`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// The day whose end (UTC) the archive is seen at.
    pub date: Date,
    /// The distribution and what belongs to it alone.
    pub distribution: Distribution,
    /// Where the date is written.
    pub date_origin: Origin,
    /// Repositories beside the distribution's, in their order.
    pub extras: Vec<Extra>,
}

/// A distribution and the parts of its archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distribution {
    /// Debian.
    Debian(Debian),
    /// Arch Linux.
    Arch(Arch),
}

/// What is taken from Debian's archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debian {
    /// The release: `bookworm`.
    pub suite: SuiteName,
    /// The suites beside it, sorted.
    pub pockets: Vec<Pocket>,
    /// `main` and others, sorted.
    pub components: Vec<Component>,
}

/// What is taken from Arch's archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arch {
    /// `core`, `extra`, in the order in which pacman prefers them.
    pub repositories: Vec<Component>,
    /// The main keys of an archive of one's own, sorted; empty for Arch Linux's.
    pub main_keys: Vec<Fingerprint>,
}

/// A distribution without its particulars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DistributionName {
    /// Debian.
    Debian,
    /// Arch Linux.
    Arch,
}

impl DistributionName {
    pub(crate) const ALL: [Self; 2] = [Self::Debian, Self::Arch];

    /// As it is written in definitions and locks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Arch => "arch",
        }
    }
}

impl fmt::Display for DistributionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DistributionName {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let known = Self::ALL.map(Self::as_str);
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| Refused {
            message: "is no distribution that can be built".to_owned(),
            hint: suggest::hint(text, "distributions", known),
        })
    }
}

impl Distribution {
    /// Which one it is.
    pub fn name(&self) -> DistributionName {
        match self {
            Self::Debian(_) => DistributionName::Debian,
            Self::Arch(_) => DistributionName::Arch,
        }
    }
}

impl Debian {
    /// The names of all suites: `bookworm`, then `bookworm-backports` and the like.
    pub fn suites(&self) -> Vec<SuiteName> {
        let pockets = self.pockets.iter().map(|pocket| pocket.suite(&self.suite));
        std::iter::once(self.suite.clone()).chain(pockets).collect()
    }
}

checked_text! {
    /// A suite of Debian's archive: `bookworm`, `bookworm-backports`.
    SuiteName, check_suite
}

fn check_suite(text: &str) -> Result<(), Refused> {
    let hint = "a release's code name; as in `bookworm`";
    check_name(text, 64, |c| c.is_ascii_lowercase(), "-", hint)?;
    // These names stand for another release every other year.
    if ["stable", "oldstable", "oldoldstable", "testing"].contains(&text) {
        return Err(Refused::new("is the name of a role, not of a release", hint));
    }
    Ok(())
}

checked_text! {
    /// A component of Debian's archive (`main`) or a repository of Arch's (`core`).
    Component, check_component
}

fn check_component(text: &str) -> Result<(), Refused> {
    let hint = "as in `main`, `non-free-firmware`, `extra`";
    check_name(text, 64, |c| c.is_ascii_lowercase(), "-", hint)
}

checked_text! {
    /// The fingerprint of an OpenPGP key: 40 hexadecimal digits, or 64 of a newer key (RFC 9580,
    /// section 5.5.4).
    Fingerprint, check_fingerprint
}

fn check_fingerprint(text: &str) -> Result<(), Refused> {
    let digits = text.chars().all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c));
    if digits && matches!(text.len(), 40 | 64) {
        return Ok(());
    }
    let hint = "40 or 64 digits of 0-9 and A-F, as `gpg --list-keys --with-colons` shows `fpr`";
    Err(Refused::new("is no fingerprint of a key", hint))
}

/// A suite that belongs to a release of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pocket {
    /// Corrections between point releases: `bookworm-updates`.
    Updates,
    /// Security corrections: `bookworm-security`, an archive of its own.
    Security,
    /// Newer versions, taken only where they are asked for: `bookworm-backports`.
    Backports,
}

impl Pocket {
    const ALL: [Self; 3] = [Self::Updates, Self::Security, Self::Backports];

    /// As it is written in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Updates => "updates",
            Self::Security => "security",
            Self::Backports => "backports",
        }
    }

    /// The suite's name for the release `suite`.
    pub fn suite(self, suite: &SuiteName) -> SuiteName {
        SuiteName::suffixed(suite, self.as_str())
    }
}

impl SuiteName {
    /// `suite-suffix`: what two checked names make together needs no further check.
    fn suffixed(suite: &Self, suffix: &'static str) -> Self {
        Self(format!("{suite}-{suffix}"))
    }
}

impl FromStr for Pocket {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let found = Self::ALL.into_iter().find(|pocket| pocket.as_str() == text);
        found.ok_or_else(|| Refused {
            message: "is no pocket of a Debian release".to_owned(),
            hint: suggest::hint(text, "pockets", Self::ALL.map(Self::as_str)),
        })
    }
}

/// `YYYY-MM-DD`, nothing else: no times, no week dates.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Day(pub(crate) Date);

impl FromStr for Day {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let hint = "a day as YYYY-MM-DD; as in `2026-11-22`";
        let shape = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shape {
            return Err(Refused::new("is no date", hint));
        }
        match text.parse::<Date>() {
            // snapshot.debian.org begins in March 2005.
            Ok(date) if date.year() < 2005 => {
                Err(Refused::new("is before any dated archive begins", hint))
            }
            Ok(date) => Ok(Self(date)),
            Err(_) => Err(Refused::new("is no day of the calendar", hint)),
        }
    }
}

impl Archive {
    /// Reads `[archive]`.
    pub(crate) fn read(mut table: read::Table<'_, '_>) -> Option<Self> {
        let distribution = table.required("distribution", r#"as in distribution = "debian""#);
        let distribution = distribution.and_then(|value| value.text::<DistributionName>());
        let date = table.required("date", r#"as in date = "2026-11-22""#);
        let date = date.and_then(|value| value.text::<Day>());
        let Some(distribution) = distribution else {
            // Which further keys are right is not known.
            return None;
        };
        let distribution = match distribution.value {
            DistributionName::Debian => Debian::read(&mut table).map(Distribution::Debian),
            DistributionName::Arch => Some(Distribution::Arch(Arch::read(&mut table))),
        };
        let extras = table.value("extra");
        table.finish();
        let (date, distribution) = (date?, distribution?);
        let extras = extras.map(|value| read_extras(&value, &distribution)).unwrap_or_default();
        Some(Self { date: date.value.0, distribution, date_origin: date.origin, extras })
    }
}

impl Debian {
    fn read(table: &mut read::Table<'_, '_>) -> Option<Self> {
        let suite = table.required("suite", r#"as in suite = "bookworm""#);
        let suite = suite.and_then(|value| value.text::<SuiteName>());
        let pockets = match table.value("pockets") {
            Some(value) => plain(value.texts()),
            None => vec![Pocket::Updates, Pocket::Security],
        };
        let components = components(table, "components", &["main"]);
        let suite = suite?;
        let pocket = Pocket::ALL.into_iter().find(|pocket| {
            suite.value.as_str().strip_suffix(pocket.as_str()).is_some_and(|s| s.ends_with('-'))
        });
        if let Some(pocket) = pocket {
            let message = format!("`{}` is a pocket of a release, not a release", suite.value);
            let release = suite.value.as_str().trim_end_matches(pocket.as_str());
            let release = release.trim_end_matches('-');
            let hint =
                format!("suite = \"{release}\" and `{}` among the `pockets`", pocket.as_str());
            table.report(Problem::new(&suite.origin, message).hint(hint));
            return None;
        }
        Some(Self { suite: suite.value, pockets: sorted(pockets), components: sorted(components) })
    }
}

impl Arch {
    fn read(table: &mut read::Table<'_, '_>) -> Self {
        let repositories = components(table, "repositories", &["core", "extra"]);
        let main_keys = table.value("main-keys").map(|value| plain(value.texts()));
        Self { repositories, main_keys: sorted(main_keys.unwrap_or_default()) }
    }
}

fn components(
    table: &mut read::Table<'_, '_>,
    key: &'static str,
    default: &[&str],
) -> Vec<Component> {
    let Some(value) = table.value(key) else {
        return default.iter().filter_map(|name| name.parse().ok()).collect();
    };
    let found = plain(value.texts());
    if found.is_empty() && value.items().is_some_and(|items| items.is_empty()) {
        value.wrong(format!("`{key}` is empty"), "leave the key out to have the default");
    }
    found
}

fn plain<T>(located: Option<Vec<Located<T>>>) -> Vec<T> {
    located.unwrap_or_default().into_iter().map(|item| item.value).collect()
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}
