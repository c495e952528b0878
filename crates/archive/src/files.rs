//! Where index files come from: the store, or whatever a test makes up.

use digest::Digest;
use jiff::civil::Date;
use store::{Item, Store};

use crate::error::Cause;

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
