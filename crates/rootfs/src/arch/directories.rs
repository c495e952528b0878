//! Directories that are there before pacman unpacks anything: those of its database, and those that
//! the sandbox mounts on.
//!
//! Pacman leaves a directory alone that it finds, whatever the package says of its mode.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, Uid};
use unpack::{Inside, Kind, Laid};

use super::installed::DATABASE;
use super::survey::Surveyed;
use crate::error::Error;

/// What the sandbox mounts on.
const MOUNTED: [&str; 4] = ["dev", "proc", "run", "tmp"];

/// The directories that packages have and pacman did not make.
pub(super) struct Directories {
    /// Each with what the first package that has it says of it.
    packaged: Vec<Laid>,
}

impl Directories {
    /// Makes them in an empty tree.
    pub(super) fn make(tree: &Path, packages: &[Surveyed]) -> Result<Self, Error> {
        let database = Path::new(DATABASE);
        for place in [database.join("local"), database.join("sync")] {
            create(&tree.join(place))?;
        }
        let mut found: HashMap<&Path, &Laid> = HashMap::new();
        for laid in packages.iter().flat_map(|package| &package.package.members) {
            if laid.kind == Kind::Directory {
                found.entry(&laid.place).or_insert(laid);
            }
        }
        let mut packaged = Vec::new();
        let own = database.ancestors().filter(|above| !above.as_os_str().is_empty());
        for place in own.map(Path::to_owned).chain(MOUNTED.map(PathBuf::from)) {
            if let Some(laid) = found.get(place.as_path()) {
                create(&tree.join(&place))?;
                packaged.push((*laid).clone());
            }
        }
        Ok(Self { packaged })
    }

    /// Gives them the owner and mode that they have in their packages.
    pub(super) fn settle(&self, inside: &Inside) -> Result<(), Error> {
        for laid in &self.packaged {
            let Some(directory) = inside.directory(&laid.place)? else { continue };
            let settled = rustix::fs::fchown(
                &directory,
                Some(Uid::from_raw(laid.uid)),
                Some(Gid::from_raw(laid.gid)),
            )
            .and_then(|()| rustix::fs::fchmod(&directory, Mode::from_raw_mode(laid.mode)));
            settled.map_err(|error| {
                let path = inside.shown(&laid.place);
                Error::Write { path, source: error.into() }
            })?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|source| Error::Write { path: path.to_owned(), source })
}
