//! A repository as it stood on a day.
//!
//! Arch signs packages, not databases: what a database says of a package counts for nothing until
//! the package's own signature has been checked, and what is left to a forger is to leave packages
//! out or to offer old ones. Against that stand the dated archive (a mirror cannot say what a day
//! had, and is not asked), and the lock: a database older than the one that was locked is refused.

use digest::Digest;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lock::arch::Request;
use lock::{Index, Lock};

use super::database::Database;
use crate::error::{Error, WhyNot};
use crate::files::Files;

/// The name of Arch's archive, for the store.
pub(crate) const ARCHIVE: &str = "archlinux";

/// A repository with its database.
#[derive(Debug)]
pub(crate) struct Repository {
    /// `core`
    pub(crate) name: String,
    pub(crate) database: Database,
    /// The digest of the database.
    pub(crate) sha256: Digest,
    /// The database's bytes, when it has come from a source just now.
    pub(crate) fresh: Option<Vec<u8>>,
    /// Whether it is one beside Arch's: what a lock calls it.
    pub(crate) beside: Option<String>,
}

impl Repository {
    /// Finds the database of the request's day.
    pub(crate) fn load(
        files: &dyn Files,
        name: &str,
        request: &Request,
        previous: Option<&Lock>,
    ) -> Result<Self, Error> {
        let seen = previous
            .and_then(|lock| Some((lock.date, lock.indexes.iter().find(|i| is_arch_s(i, name))?)));
        let accept = |bytes: &[u8]| accept(name, request, seen, bytes);
        // The database that the lock was made from is its day's.
        let known = seen
            .filter(|(date, _)| *date == request.date)
            .and_then(|(_, index)| files.kept(index.sha256))
            .and_then(|bytes| accept(&bytes).ok());
        if let Some(known) = known {
            return Ok(known);
        }
        let mut found = None;
        let mut refusals = Vec::new();
        let path = path(name, &request.architecture, &format!("{name}.db"));
        let asked = files.find(ARCHIVE, &path, request.date, &mut |bytes| {
            let repository = accept(bytes).map_err(|why| {
                let text = why.to_string();
                refusals.push(why);
                text
            })?;
            found = Some(Self { fresh: Some(bytes.to_vec()), ..repository });
            Ok(())
        });
        match (asked, found) {
            (Ok(()), Some(repository)) => Ok(repository),
            (asked, _) => {
                let source = asked.err().unwrap_or_else(|| "no source has one".into());
                let (suite, date) = (name.to_owned(), request.date);
                Err(Error::NoIndex { place: None, suite, date, refusals, source })
            }
        }
    }

    /// The record of it that a lock keeps.
    pub(crate) fn record(&self) -> Index {
        Index {
            suite: self.name.clone(),
            signed: self.database.newest,
            sha256: self.sha256,
            archive: self.beside.clone(),
        }
    }

    /// What a lock calls the archive that it is of.
    pub(crate) fn archive(&self) -> &str {
        self.beside.as_deref().unwrap_or(ARCHIVE)
    }

    /// Where a file of it lies in its archive.
    pub(crate) fn path(&self, architecture: &str, file: &str) -> String {
        match self.beside {
            Some(_) => file.to_owned(),
            None => path(&self.name, architecture, file),
        }
    }
}

fn is_arch_s(index: &Index, name: &str) -> bool {
    index.suite == name && index.archive.is_none()
}

/// Where a file of a repository lies in the archive.
pub(crate) fn path(repository: &str, architecture: &str, file: &str) -> String {
    format!("{repository}/os/{architecture}/{file}")
}

fn accept(
    name: &str,
    request: &Request,
    seen: Option<(Date, &Index)>,
    bytes: &[u8],
) -> Result<Repository, WhyNot> {
    let database = Database::parse(bytes, &request.architecture).map_err(WhyNot::Malformed)?;
    let day = database.newest.to_zoned(TimeZone::UTC).date();
    if day > request.date {
        return Err(WhyNot::TooNew(day));
    }
    match seen {
        Some((date, seen)) if request.date >= date && database.newest < seen.signed => {
            Err(WhyNot::Replayed { found: database.newest, locked: seen.signed })
        }
        _ => {
            let sha256 = Digest::of(bytes);
            Ok(Repository { name: name.to_owned(), database, sha256, fresh: None, beside: None })
        }
    }
}
