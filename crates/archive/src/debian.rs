//! Debian's archive: from a request to a lock.
//!
//! 1. For each suite an `InRelease` that may stand for the day is looked for among the sources
//!    ([`Keyring`] checks its signature), and the lists of packages that it vouches for are read.
//! 2. Every package gets a candidate, as apt's policy has it; pins and versions that the request
//!    names win.
//! 3. apt's walk over the dependencies is repeated to know which alternatives it takes, and the
//!    solver makes of that a set of packages in which everything holds. Where the candidates do not
//!    fit together, other versions of the suites are let in.
//! 4. What the roots do not reach is left out, the rest is written down.

mod choice;
mod follow;
mod index;
mod keyring;
mod marks;
mod mentions;
mod names;
mod needs;
mod own;
mod relation;
mod release;
mod resolve;
mod signature;
mod stanza;
mod suite;
mod universe;

use lock::Lock;
use lock::debian::Request;

use index::SuiteIndex;
use names::{architecture, suite_names, unknown_package};
use suite::Suite;

use crate::Error;

pub use crate::files::Files;
pub use resolve::{resolve, update};
pub use signature::{Keyring, KeyringError, SignatureError};

/// An archive to resolve against: where its files come from, and the keys that vouch for them.
pub struct Archive<'f> {
    files: &'f dyn Files,
    keyring: Keyring,
}

impl<'f> Archive<'f> {
    /// Debian's own archive: its keys come from a package whose digest is built in.
    ///
    /// # Errors
    /// When that package cannot be had.
    pub fn debian(files: &'f dyn Files) -> Result<Self, Error> {
        let keyring = keyring::of_debian(files)?;
        Ok(Self { files, keyring })
    }

    /// An archive signed with other keys.
    pub fn new(files: &'f dyn Files, keyring: Keyring) -> Self {
        Self { files, keyring }
    }

    /// The indexes of a request, and the request with the packages beside the definition in it.
    fn load(
        &self,
        request: &Request,
        previous: Option<&Lock>,
    ) -> Result<(Vec<SuiteIndex>, Request), Error> {
        let mut request = request.clone();
        let (index, wanted) = own::read(self.files, &request)?;
        // What is asked for by its name is that file.
        request.install.retain(|it| wanted.iter().all(|own| it.name != own.name || it.is_more()));
        request.install.extend(wanted);
        let mut indexes: Vec<_> = index.into_iter().collect();
        for suite in Suite::of(&request) {
            let (keyring, components) = (&self.keyring, &request.components);
            let files = self.files;
            indexes.push(SuiteIndex::load(files, keyring, suite, components, &request, previous)?);
        }
        for extra in &request.extras {
            let keyring = Keyring::of_extra(extra)?;
            let (suite, components) = (Suite::of_extra(extra, &request), &extra.components);
            let files = self.files;
            indexes.push(SuiteIndex::load(files, &keyring, suite, components, &request, previous)?);
        }
        Ok((indexes, request))
    }
}
