//! Repositories beside Arch's, as repo-add(8) makes them.
//!
//! Their packages are known by the digests in the database, and the database by the signature of one
//! key that the definition names (`repo-add --sign`). Who has signed the packages does not matter.

use digest::Digest;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lock::arch::{KEYRING, Request};
use lock::{Extra, Index, Lock};

use super::database::Database;
use super::keyring::OneKey;
use super::repository::Repository;
use crate::error::{Error, WhyNot};
use crate::files::Files;

/// Finds the database of a repository.
pub(crate) fn load(
    files: &dyn Files,
    extra: &Extra,
    request: &Request,
    previous: Option<&Lock>,
) -> Result<Repository, Error> {
    let key = OneKey::of(extra)?;
    let (url, name) = (extra.url_of(request.date), &extra.suite);
    let none = |refusals: Vec<WhyNot>, source: crate::Cause| Error::NoIndex {
        place: Some(extra.place.clone()),
        suite: extra.name.clone(),
        date: request.date,
        refusals,
        source,
    };
    let mut signature = None;
    let asked = files.find(&url, &format!("{name}.db.sig"), request.date, &mut |bytes| {
        signature = Some(bytes.to_vec());
        Ok(())
    });
    let signature = match (asked, signature) {
        (Ok(()), Some(signature)) => signature,
        (asked, _) => {
            let source = asked.err().unwrap_or_else(|| "no source has one".into());
            return Err(none(vec![WhyNot::Unsigned], source));
        }
    };
    let mut found = None;
    let mut refusals = Vec::new();
    let asked = files.find(&url, &format!("{name}.db"), request.date, &mut |bytes| match accept(
        &key, extra, request, previous, bytes, &signature,
    ) {
        Ok(repository) => {
            found = Some(repository);
            Ok(())
        }
        Err(why) => {
            let text = why.to_string();
            refusals.push(why);
            Err(text)
        }
    });
    match (asked, found) {
        (Ok(()), Some(repository)) => Ok(repository),
        (asked, _) => {
            let source = asked.err().unwrap_or_else(|| "no source has one".into());
            Err(none(refusals, source))
        }
    }
}

fn accept(
    key: &OneKey,
    extra: &Extra,
    request: &Request,
    previous: Option<&Lock>,
    bytes: &[u8],
    signature: &[u8],
) -> Result<Repository, WhyNot> {
    let dated = extra.is_dated();
    let now = (!dated).then(Timestamp::now);
    key.verify(signature, bytes, now).map_err(WhyNot::Detached)?;
    let mut database = Database::parse(bytes, &request.architecture).map_err(WhyNot::Malformed)?;
    let day = database.newest.to_zoned(TimeZone::UTC).date();
    if dated && day > request.date {
        return Err(WhyNot::TooNew(day));
    }
    let is_its = |index: &&Index| {
        index.suite == extra.suite && index.archive.as_deref() == Some(extra.name.as_str())
    };
    let seen = previous.filter(|lock| request.date >= lock.date);
    if let Some(seen) = seen.and_then(|lock| lock.indexes.iter().find(is_its))
        && database.newest < seen.signed
    {
        return Err(WhyNot::Replayed { found: database.newest, locked: seen.signed });
    }
    // Whom Arch trusts, nobody else says.
    database.entries.retain(|entry| entry.about.name != KEYRING);
    Ok(Repository {
        name: extra.suite.clone(),
        database,
        sha256: Digest::of(bytes),
        fresh: Some(bytes.to_vec()),
        beside: Some(extra.name.clone()),
    })
}
