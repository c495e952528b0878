//! Where index files come from: the store, or whatever a test makes up.

use std::sync::atomic::{AtomicUsize, Ordering};

use digest::Digest;
use jiff::civil::Date;
use store::{Item, Store};

use crate::error::Cause;

/// How many files whose digest is not known are fetched at the same time: as many as the store
/// fetches of others.
const AT_ONCE: usize = 8;

/// Takes the bytes that a source has at one of several paths, or says why it does not want them.
pub type Accept<'a> = dyn Fn(usize, &[u8]) -> Result<(), String> + Sync + 'a;

/// Files of archives, by path and by digest.
pub trait Files {
    /// Asks the sources, one after the other, what they have at a path on a day, until `accept`
    /// takes one. It is given the source's name and the bytes, for which nothing vouches, and says
    /// why it does not want them.
    ///
    /// # Errors
    /// When nothing was accepted: every source with its reason.
    fn find(
        &self,
        archive: &str,
        path: &str,
        date: Date,
        accept: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), Cause>;

    /// As [`Files::find`] for several paths, perhaps at the same time. `accept` is given the place
    /// of the path among them.
    ///
    /// # Errors
    /// When nothing was accepted for one of them.
    fn find_all(
        &self,
        archive: &str,
        paths: &[String],
        date: Date,
        accept: &Accept<'_>,
    ) -> Result<(), Cause> {
        let mut paths = paths.iter().enumerate();
        paths.try_for_each(|(at, path)| {
            self.find(archive, path, date, &mut |bytes| accept(at, bytes))
        })
    }

    /// The bytes of a file whose digest is known, verified.
    ///
    /// # Errors
    /// When no source has it.
    fn file(&self, item: &Item) -> Result<Vec<u8>, Cause>;

    /// Keeps bytes, to be had again by their digest.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn keep(&self, bytes: &[u8]) -> Result<(), Cause>;

    /// The bytes of that digest, if they were kept.
    fn kept(&self, digest: Digest) -> Option<Vec<u8>>;
}

impl Files for Store {
    fn find(
        &self,
        archive: &str,
        path: &str,
        date: Date,
        accept: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), Cause> {
        let mut candidates = self.fetch_index(archive, path, date)?;
        while let Some(candidate) = candidates.next() {
            match accept(&candidate.bytes) {
                Ok(()) => return Ok(()),
                Err(why) => candidates.refuse(&candidate.source, why),
            }
        }
        Err(candidates.into_error().into())
    }

    fn find_all(
        &self,
        archive: &str,
        paths: &[String],
        date: Date,
        accept: &Accept<'_>,
    ) -> Result<(), Cause> {
        let find = |at: usize, path: &String| {
            self.find(archive, path, date, &mut |bytes| accept(at, bytes))
        };
        let next = AtomicUsize::new(0);
        let work = || -> Vec<(usize, Cause)> {
            let mut failed = Vec::new();
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(path) = paths.get(at)
                && failed.is_empty()
            {
                failed.extend(find(at, path).err().map(|error| (at, error)));
            }
            failed
        };
        let failed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            let ends = threads.into_iter().map(|thread| match thread.join() {
                Ok(failed) => failed,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ends.flatten().collect::<Vec<_>>()
        });
        // Which one comes first does not depend on which thread was faster.
        let first = failed.into_iter().min_by_key(|(at, _)| *at);
        first.map_or(Ok(()), |(_, error)| Err(error))
    }

    fn file(&self, item: &Item) -> Result<Vec<u8>, Cause> {
        self.fetch(std::slice::from_ref(item))?;
        Ok(std::fs::read(self.path(item.digest))?)
    }

    fn keep(&self, bytes: &[u8]) -> Result<(), Cause> {
        self.put(bytes)?;
        Ok(())
    }

    fn kept(&self, digest: Digest) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.path(digest)).ok()?;
        (Digest::of(&bytes) == digest).then_some(bytes)
    }
}
