//! `SOURCE_DATE_EPOCH`: the one date that an image knows.
//!
//! In this order (reproducible-builds.org, the specification of `SOURCE_DATE_EPOCH`, and
//! what suits a definition in git):
//!
//! 1. the environment, when it sets the variable;
//! 2. the date of the last commit that touched what the server is made of, so that a commit to
//!    anything else changes nothing;
//! 3. outside git, or before the first commit, the day of the lock.
//!
//! The package tree always has the day of the lock.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::git::{self, LastChange};
use crate::{Error, Server, Workspace};

/// The variable.
pub const EPOCH_VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// Seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(u64);

/// The last second that fits everything it is written to: squashfs has 32 unsigned bits, FAT ends
/// with 2107.
const LAST: u64 = u32::MAX as u64;

impl Epoch {
    /// So many seconds after 1970 began; none if no file system could hold it.
    pub fn new(seconds: u64) -> Option<Self> {
        (seconds <= LAST).then_some(Self(seconds))
    }

    /// The first second of a day.
    pub fn of_day(day: Date) -> Self {
        let midnight =
            day.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_second());
        // Days before 1970 or after 2106 are no days of a lock.
        Self(u64::try_from(midnight).unwrap_or(0).min(LAST))
    }

    /// The seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Workspace {
    /// The epoch of `server`'s configuration and images. `variable` is the value of
    /// [`EPOCH_VARIABLE`] in the environment, `locked` the day of its lock.
    pub fn epoch(
        &self,
        server: &Server,
        variable: Option<&str>,
        locked: Date,
    ) -> Result<Epoch, Error> {
        decide(variable, locked, || git::last_change(self.root(), server))
    }

    /// Whether git is asked for the epoch, `variable` being as above.
    pub fn asks_history(&self, variable: Option<&str>) -> bool {
        variable.is_none() && git::is_repository(self.root())
    }
}

/// History is asked only when it matters.
fn decide(
    variable: Option<&str>,
    locked: Date,
    history: impl FnOnce() -> Result<LastChange, Error>,
) -> Result<Epoch, Error> {
    let wrong = |value: &str| Error::Epoch { value: value.to_owned() };
    // As most programs have it, an empty variable is one that is not set.
    if let Some(value) = variable.filter(|value| !value.is_empty()) {
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = value.parse().ok().filter(|_| digits);
        return seconds.and_then(Epoch::new).ok_or_else(|| wrong(value));
    }
    match history()? {
        LastChange::At(seconds) => Epoch::new(seconds).ok_or_else(|| wrong(&seconds.to_string())),
        LastChange::NoRepository | LastChange::NotCommitted => Ok(Epoch::of_day(locked)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn history(change: LastChange) -> impl FnOnce() -> Result<LastChange, Error> {
        move || Ok(change)
    }

    #[test]
    fn the_environment_comes_first_and_history_is_not_even_asked() {
        let never = || -> Result<LastChange, Error> { panic!("asked") };
        assert_eq!(
            decide(Some("1700000000"), date(2026, 11, 22), never).unwrap().seconds(),
            17e8 as u64
        );
        for bad in ["now", "-1", "+5", "1.5", "99999999999", " 5"] {
            let never = || -> Result<LastChange, Error> { panic!("asked") };
            assert!(decide(Some(bad), date(2026, 11, 22), never).is_err(), "{bad}");
        }
    }

    #[test]
    fn then_comes_the_last_commit_and_then_the_lock() {
        let day = date(2026, 11, 22);
        let at = |change| decide(None, day, history(change)).unwrap().seconds();
        assert_eq!(at(LastChange::At(1_790_000_000)), 1_790_000_000);
        assert_eq!(at(LastChange::NoRepository), 1_795_305_600);
        assert_eq!(at(LastChange::NotCommitted), 1_795_305_600);
        let empty = decide(Some(""), day, history(LastChange::At(7))).unwrap();
        assert_eq!(empty.seconds(), 7);
    }
}
