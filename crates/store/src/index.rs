//! Signed indexes: files that no hash is known of, so that whoever reads them decides which source
//! is believed.

use std::collections::VecDeque;
use std::io::Read as _;

use jiff::civil::Date;

use crate::client::{Trouble, is_silence, silent};
use crate::item::check_path;
use crate::patience::Patience;
use crate::rate::{LEAST, Paced, is_too_slow};
use crate::refusal::{Reason, Refusal};
use crate::source::{Place, places_of_path};
use crate::store::Store;
use crate::{Error, Failure, Result};

/// No signed index has more bytes (the largest, Arch's `extra.files`, has 50 MB).
const LARGEST: u64 = 256 * 1024 * 1024;
/// A package of Arch that is in no index is known by its detached signature alone; it is held in
/// memory until that has been checked.
const LARGEST_PACKAGE: u64 = 2 * 1024 * 1024 * 1024;

/// What one source has at the path that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The source, as messages name it.
    pub source: String,
    /// The file. Nothing about it was checked.
    pub bytes: Vec<u8>,
}

/// What the sources have at a path, asked one by one as the candidates are taken.
#[derive(Debug)]
pub struct Candidates<'a> {
    store: &'a Store,
    path: String,
    places: VecDeque<Place>,
    refusals: Vec<Refusal>,
}

impl Store {
    /// What the sources have at `path` of `archive`: mirrors first, which have it as it is today,
    /// then the dated archive, which has it as it was at the end of `date`. A database of Arch says
    /// nothing of its date, so for that the dated archive alone is asked.
    ///
    /// ```no_run
    /// # fn main() -> store::Result<()> {
    /// # let store = store::Store::open(store::Options::from_environment()?)?;
    /// # let acceptable = |bytes: &[u8]| Err::<(), _>("its signature is missing");
    /// let path = "dists/bookworm/InRelease";
    /// let mut candidates = store.fetch_index("debian", path, jiff::civil::date(2026, 11, 1))?;
    /// while let Some(candidate) = candidates.next() {
    ///     match acceptable(&candidate.bytes) {
    ///         Ok(()) => return Ok(()),
    ///         Err(why) => candidates.refuse(&candidate.source, why),
    ///     }
    /// }
    /// Err(candidates.into_error())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ArchivePath`] when `path` is not one inside an archive. That nobody has it is
    /// [`Candidates::into_error`]'s to say.
    pub fn fetch_index(&self, archive: &str, path: &str, date: Date) -> Result<Candidates<'_>> {
        check_path(path)?;
        Ok(Candidates {
            store: self,
            path: format!("{archive}: {path}"),
            places: places_of_path(archive, path, date, &self.options).into(),
            refusals: Vec::new(),
        })
    }

    /// Reads all that lies at a place, as far as it may be that large.
    fn read_all(&self, place: &Place, largest: u64) -> std::result::Result<Vec<u8>, Reason> {
        let mut patience = Patience::new(self.options.pause, place.kind, 0);
        loop {
            let (reason, pause) = match self.ask(place, 0) {
                Ok(reply) => {
                    let mut bytes = Vec::new();
                    let body = Paced::new(reply.body, self.options.patience);
                    match body.take(largest + 1).read_to_end(&mut bytes) {
                        Ok(_) if bytes.len() as u64 > largest => {
                            return Err(Reason::Oversized { expected: largest });
                        }
                        Ok(_) => match reply.length {
                            Some(expected) if expected != bytes.len() as u64 => {
                                let found = bytes.len() as u64;
                                (Reason::Truncated { found, expected }, None)
                            }
                            _ => return Ok(bytes),
                        },
                        Err(error) if is_too_slow(&error) => {
                            return Err(Reason::TooSlow { least: LEAST });
                        }
                        Err(error) => {
                            if is_silence(&error) {
                                patience.shorten();
                            }
                            (Reason::Interrupted(self.explain(&error)), None)
                        }
                    }
                }
                Err(Trouble::Refused(reason)) => return Err(reason),
                Err(Trouble::NoSuchRange) => return Err(Reason::Status(416)),
                Err(Trouble::Unreachable(why)) => {
                    patience.shorten();
                    (Reason::Unreachable(why), None)
                }
                Err(Trouble::Silent) => {
                    patience.shorten();
                    (Reason::Interrupted(silent(self.options.patience)), None)
                }
                Err(Trouble::Interrupted(why)) => (Reason::Interrupted(why), None),
                Err(Trouble::Busy { status, after }) => (Reason::Status(status), after),
            };
            if !patience.again(0, pause) {
                return Err(reason);
            }
        }
    }
}

impl Iterator for Candidates<'_> {
    type Item = Candidate;

    fn next(&mut self) -> Option<Candidate> {
        while let Some(place) = self.places.pop_front() {
            let asked = match self.store.standing.set_aside(&place.source) {
                Some(why) => Err(Reason::SetAside(why)),
                None => {
                    let _spinner = progress::spinner("Fetching", &self.path);
                    let is_package = !self.path.ends_with(".sig") && self.path.contains(".pkg.tar");
                    let largest = if is_package { LARGEST_PACKAGE } else { LARGEST };
                    self.store.read_all(&place, largest)
                }
            };
            match asked {
                Ok(bytes) => return Some(Candidate { source: place.source, bytes }),
                Err(reason) => {
                    self.store.judge(&self.path, &place, &reason);
                    self.refusals.push(Refusal { source: place.source, reason });
                }
            }
        }
        None
    }
}

impl Candidates<'_> {
    /// Notes why the candidate of `source` was not accepted, for [`Candidates::into_error`].
    pub fn refuse(&mut self, source: &str, why: impl Into<String>) {
        let reason = Reason::Unacceptable(why.into());
        self.refusals.push(Refusal { source: source.to_owned(), reason });
    }

    /// The error for a path of which no candidate was acceptable: every source with its reason.
    pub fn into_error(self) -> Error {
        let failure = Failure { name: self.path, refusals: self.refusals };
        if self.store.is_offline() {
            Error::OfflineIndex { missing: failure }
        } else {
            Error::Unavailable { failures: vec![failure] }
        }
    }
}
