//! Arch's archive: from a request to a lock.
//!
//! 1. For each repository the database of the day is looked for in the dated archive and read.
//! 2. The versions that a pin or an earlier lock holds and no database has come from the archive's
//!    package tree.
//! 3. pacman's walk over the dependencies is repeated, and the solver makes of that a set of
//!    packages in which everything holds. It departs from what pacman would install only where
//!    pacman would give up.
//! 4. The signature of each package that is new has to be by somebody whom the keyring of the day
//!    trusts; the rest is written down.

mod choice;
mod database;
mod entry;
mod keyring;
mod main_keys;
mod names;
mod needs;
mod package_file;
mod relation;
mod repository;
mod request;
mod resolve;
mod universe;
mod version;
mod walk;

pub use keyring::{Keyring, SignatureError};
pub use main_keys::MainKeys;
pub use request::{KEYRING, Pin, Request, Wanted, WantedError};
pub use version::compare;

use choice::Keep;
use repository::Repository;
use universe::Universe;

use crate::Error;
use crate::files::Files;
use crate::lock::Lock;

/// An archive to resolve against: where its files come from, and the keys that trust begins with.
pub struct Archive<'f> {
    files: &'f dyn Files,
}

impl<'f> Archive<'f> {
    /// An archive with other main keys.
    pub fn new(files: &'f dyn Files) -> Self {
        Self { files }
    }

    /// The packages that answer a request, as `name version`, sorted. No signature is looked at:
    /// this is for showing, never for building.
    ///
    /// # Errors
    /// As [`resolve`].
    pub fn choose(&self, request: &Request) -> Result<Vec<String>, Error> {
        let repositories = self.load(request, None)?;
        let universe = Universe::new(&repositories, &request.architecture, &[]);
        let chosen = resolve::choose(&universe, request, None)?;
        let mut names: Vec<_> = chosen.into_iter().map(|id| universe.label(id)).collect();
        names.sort();
        Ok(names)
    }

    fn load(&self, request: &Request, previous: Option<&Lock>) -> Result<Vec<Repository>, Error> {
        let repositories = request.repositories.iter();
        repositories.map(|name| Repository::load(self.files, name, request, previous)).collect()
    }
}
