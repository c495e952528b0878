//! Repositories beside the distribution's, as locks have them.

use jiff::civil::Date;
use lock::{Extra, Lock, OWN, Source};

use crate::Error;

/// Where they lie on a day.
pub(crate) fn sources(extras: &[Extra], day: Date) -> Vec<Source> {
    let source = |extra: &Extra| Source { name: extra.name.clone(), url: extra.url_of(day) };
    extras.iter().map(source).collect()
}

/// Refuses a package that has the version of the lock and other bytes: who has built a server from
/// that version knows other ones by its name. (What the distribution has is dated.)
pub(crate) fn check_replaced(lock: &Lock, previous: Option<&Lock>) -> Result<(), Error> {
    for package in &lock.packages {
        let before = previous.iter().flat_map(|lock| &lock.packages).find(|before| {
            before.key() == package.key()
                && (&before.version, &before.archive) == (&package.version, &package.archive)
        });
        let is_extra = lock.sources.iter().any(|source| source.name == package.archive);
        if let Some(before) = before
            && is_extra
            && package.archive != OWN
            && before.sha256 != package.sha256
        {
            return Err(Error::Replaced {
                package: format!("{} {}", package.name, package.version),
                archive: package.archive.clone(),
                locked: before.sha256,
                found: package.sha256,
            });
        }
    }
    Ok(())
}
