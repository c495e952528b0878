//! The signatures of the packages of a new lock.

use std::sync::Mutex;

use digest::Digest;
use lock::{Lock, Package, Signature};

use super::held::{Source, accept_signature, by};
use super::keyring::{Keyring, SignatureError};
use super::repository::ARCHIVE;
use super::universe::{Record, Universe};
use crate::error::Error;
use crate::solving::RecordId;

/// Makes packages of a lock of the chosen ones, sorted, with the signature of each.
///
/// The signature of a package that the earlier lock has is taken from there. Others are in the
/// database, or are fetched: they are small, and whoever made one that does not count is found out
/// before anything is built. Whether it is a signature of that file is found when the file is there.
pub(crate) fn packages(
    source: &Source<'_>,
    keyring: &Keyring,
    universe: &Universe<'_>,
    chosen: &[RecordId],
    previous: Option<&Lock>,
) -> Result<Vec<Package>, Error> {
    let mut records: Vec<_> = chosen.iter().map(|id| universe.record(*id)).collect();
    records.sort_by_key(|record| (&record.entry.about.name, &record.entry.about.architecture));
    let locked = |record: &Record<'_>| {
        let mut packages = previous.into_iter().flat_map(|lock| &lock.packages);
        packages.find(|package| package.sha256 == record.entry.sha256)?.signature
    };
    let locked: Vec<_> = records.iter().map(|record| locked(record)).collect();
    let fetched: Vec<_> = records
        .iter()
        .zip(&locked)
        .filter(|(record, locked)| {
            record.archive == ARCHIVE && locked.is_none() && record.entry.signature.is_none()
        })
        .map(|(record, _)| *record)
        .collect();
    let mut fetched = fetch(source, keyring, &fetched)?.into_iter();
    let mut packages = Vec::new();
    for (record, locked) in records.into_iter().zip(locked) {
        // Others are known by a signed database, or are part of the definition.
        if record.archive != ARCHIVE {
            packages.push(package(record, None));
            continue;
        }
        let known = locked.and_then(|signature| source.files.kept(signature.sha256));
        let signature = match (locked, &record.entry.signature) {
            (Some(locked), _) => {
                // Who signed it may have been revoked since.
                known.iter().try_for_each(|bytes| check(keyring, record, bytes))?;
                locked
            }
            (None, Some(bytes)) => {
                check(keyring, record, bytes)?;
                keep(source, bytes)?
            }
            (None, None) => keep(source, &fetched.next().unwrap_or_default())?,
        };
        packages.push(package(record, Some(signature)));
    }
    Ok(packages)
}

/// Fetches signatures, several at a time.
fn fetch(
    source: &Source<'_>,
    keyring: &Keyring,
    records: &[&Record<'_>],
) -> Result<Vec<Vec<u8>>, Error> {
    let label = |record: &Record<'_>| record.entry.about.label();
    let paths: Vec<_> = records.iter().map(|record| format!("{}.sig", record.path)).collect();
    let lock = |slots: &Slots| -> Vec<_> {
        slots.lock().unwrap_or_else(std::sync::PoisonError::into_inner).drain(..).collect()
    };
    let slots: Slots = Mutex::new((0..paths.len()).map(|_| None).collect());
    let put = |at: usize, outcome: Result<Vec<u8>, SignatureError>| {
        let mut slots = slots.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        slots[at] = Some(outcome);
    };
    let date = source.request.date;
    let asked = source.files.find_all(ARCHIVE, &paths, date, &|at, bytes| {
        let checked = accept_signature(bytes, &by(keyring));
        let text = checked.as_ref().err().map(ToString::to_string);
        put(at, checked.map(|()| bytes.to_vec()));
        text.map_or(Ok(()), Err)
    });
    let outcomes = lock(&slots);
    let refused = outcomes.iter().zip(records).find_map(|(outcome, record)| match outcome {
        Some(Err(why)) => Some(Error::Signature { package: label(record), source: why.clone() }),
        _ => None,
    });
    if let Some(refused) = refused {
        return Err(refused);
    }
    if let Err(cause) = asked {
        let missing = outcomes.iter().zip(records).find(|(outcome, _)| outcome.is_none());
        let of = missing.map_or_else(String::new, |(_, record)| format!(" of {}", label(record)));
        return Err(Error::Fetch { what: format!("the signature{of}"), source: cause });
    }
    Ok(outcomes.into_iter().flatten().flatten().collect())
}

type Slots = Mutex<Vec<Option<Result<Vec<u8>, SignatureError>>>>;

fn check(keyring: &Keyring, record: &Record<'_>, signature: &[u8]) -> Result<(), Error> {
    accept_signature(signature, &by(keyring))
        .map_err(|source| Error::Signature { package: record.entry.about.label(), source })
}

fn keep(source: &Source<'_>, bytes: &[u8]) -> Result<Signature, Error> {
    source
        .files
        .keep(bytes)
        .map_err(|source| Error::Fetch { what: "a signature".to_owned(), source })?;
    Ok(Signature { size: bytes.len() as u64, sha256: Digest::of(bytes) })
}

fn package(record: &Record<'_>, signature: Option<Signature>) -> Package {
    let entry = record.entry;
    Package {
        name: entry.about.name.clone(),
        version: entry.about.version.clone(),
        architecture: entry.about.architecture.clone(),
        size: entry.size,
        sha256: entry.sha256,
        path: record.path.clone(),
        archive: record.archive.to_owned(),
        signature,
    }
}
