//! The `Release` file of a suite: what stands in it, and for which day it may stand
//! (Debian repository format).

use std::collections::BTreeMap;

use deb822_fast::borrowed::parse_borrowed;
use digest::Digest;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use super::suite::{Of, Suite};

/// What of a `Release` file matters here.
///
/// `Valid-Until` guards against a mirror that hides new versions. It is judged as of the day that is
/// asked for, which may be long past when the file is read again from a dated archive; of
/// repositories that have no days, as of now. Suites without it are met by the lock: an index older
/// than the one that was locked is refused.
#[derive(Debug)]
pub(crate) struct Release {
    /// `bookworm`.
    pub(crate) codename: String,
    /// `stable`, `oldstable-backports`.
    pub(crate) suite: String,
    /// When it was signed.
    pub(crate) date: Timestamp,
    /// Until when whoever wants the newest may be content with it.
    pub(crate) valid_until: Option<Timestamp>,
    /// Packages of it are taken only when asked for by suite: backports, experimental.
    pub(crate) not_automatic: bool,
    /// The files of the suite by path: digest and bytes.
    files: BTreeMap<String, (Digest, u64)>,
}

/// Why a `Release` file is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReleaseError {
    #[error("it is no Release file: {0}")]
    Syntax(String),
    #[error("it has no `{0}`")]
    Missing(&'static str),
    #[error("its `Date` is not understood: `{0}`")]
    Date(String),
    #[error("its `Valid-Until` is not understood: `{0}`")]
    ValidUntil(String),
    #[error("a line of its `SHA256` is not understood: `{0}`")]
    File(String),
}

impl Release {
    pub(crate) fn parse(text: &str) -> Result<Self, ReleaseError> {
        let paragraphs =
            parse_borrowed(text).map_err(|error| ReleaseError::Syntax(error.to_string()))?;
        let paragraph =
            paragraphs.first().ok_or_else(|| ReleaseError::Syntax("it is empty".to_owned()))?;
        let field = |name| paragraph.get_single(name).ok_or(ReleaseError::Missing(name));
        let mut files = BTreeMap::new();
        for line in paragraph.get("SHA256").ok_or(ReleaseError::Missing("SHA256"))? {
            if !line.trim().is_empty() {
                let (path, entry) =
                    file(line).ok_or_else(|| ReleaseError::File((*line).to_owned()))?;
                files.insert(path, entry);
            }
        }
        let date = field("Date")?;
        Ok(Self {
            // Debian's has it; some repositories have `Suite` alone.
            codename: field("Codename").unwrap_or_default().to_owned(),
            suite: field("Suite").unwrap_or_default().to_owned(),
            date: parse_date(date).ok_or_else(|| ReleaseError::Date(date.to_owned()))?,
            valid_until: match paragraph.get_single("Valid-Until") {
                None => None,
                Some(until) => {
                    let wrong = || ReleaseError::ValidUntil(until.to_owned());
                    Some(parse_date(until).ok_or_else(wrong)?)
                }
            },
            not_automatic: paragraph.get_single("NotAutomatic") == Some("yes"),
            files,
        })
    }

    /// The digest and size of a file, by its path below the suite.
    pub(crate) fn file(&self, path: &str) -> Option<(Digest, u64)> {
        self.files.get(path).copied()
    }

    /// Whether it is the index of that suite. A repository beside the distribution's may be called
    /// by its `Suite` too, or by nothing.
    pub(crate) fn is_of(&self, suite: &Suite) -> bool {
        match suite.of {
            Of::Distribution => self.codename == suite.name,
            Of::Extra { .. } | Of::Definition => {
                let names = [&self.codename, &self.suite];
                names.iter().all(|name| name.is_empty()) || names.contains(&&suite.name)
            }
        }
    }

    /// What stands for package files beside the definition, which nobody has signed.
    pub(crate) fn unsigned() -> Self {
        Self {
            codename: String::new(),
            suite: String::new(),
            date: Timestamp::UNIX_EPOCH,
            valid_until: None,
            not_automatic: false,
            files: BTreeMap::new(),
        }
    }

    /// Whether the file may stand for the archive of that day: it was signed no later than the
    /// day's end (UTC).
    pub(crate) fn stands_for(&self, day: Date) -> bool {
        self.date.to_zoned(TimeZone::UTC).date() <= day
    }
}

/// `<sha256> <size> <path>`.
fn file(line: &str) -> Option<(String, (Digest, u64))> {
    let mut words = line.split_ascii_whitespace();
    let digest = Digest::from_hex(words.next()?).ok()?;
    let size = words.next()?.parse().ok()?;
    let path = words.next()?;
    words.next().is_none().then(|| (path.to_owned(), (digest, size)))
}

/// RFC 2822's form with the zone written `UTC`, as the repository format has it.
fn parse_date(text: &str) -> Option<Timestamp> {
    let zone = text.strip_suffix("UTC").map(|rest| format!("{rest}+0000"));
    let zoned = jiff::fmt::rfc2822::parse(zone.as_deref().unwrap_or(text)).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn release(date: &str) -> Result<Release, ReleaseError> {
        Release::parse(&format!(
            "Suite: stable\nCodename: bookworm\nDate: {date}\nSHA256:\n {} 5 main/x\n",
            Digest::of("x").hex()
        ))
    }

    #[test]
    fn a_release_stands_for_the_day_it_was_signed_and_every_later_one() {
        let release = release("Sat, 11 Jul 2026 23:59:59 UTC").unwrap();
        assert_eq!(release.date.to_string(), "2026-07-11T23:59:59Z");
        assert!(!release.stands_for(date(2026, 7, 10)));
        assert!(release.stands_for(date(2026, 7, 11)));
        assert!(release.stands_for(date(2030, 1, 1)));
    }

    #[test]
    fn files_are_found_by_path() {
        let release = release("Sat, 1 Aug 2026 00:00:00 +0000").unwrap();
        assert_eq!(release.file("main/x"), Some((Digest::of("x"), 5)));
        assert_eq!(release.file("main/y"), None);
    }

    #[test]
    fn what_is_no_release_is_refused() {
        assert_eq!(release("today").unwrap_err(), ReleaseError::Date("today".to_owned()));
        assert!(matches!(Release::parse(""), Err(ReleaseError::Syntax(_))));
        let no_files = "Suite: a\nCodename: b\nDate: Sat, 1 Aug 2026 00:00:00 UTC\n";
        assert_eq!(Release::parse(no_files).unwrap_err(), ReleaseError::Missing("SHA256"));
        let bad_line = format!("{no_files}SHA256:\n abc 5 main/x\n");
        assert!(matches!(Release::parse(&bad_line), Err(ReleaseError::File(_))));
    }
}
