//! Which package has which path, when many are laid at once.
//!
//! The answer depends on the packages and their order alone, never on which thread was first:
//! a package that replaces another takes the path whether it comes before or after.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::control::Control;
use crate::error::Cause;
use crate::name;

/// What to do about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is ours, and what others may have laid there goes.
    Lay,
    /// Another package has it; ours is left out.
    Skip,
    /// Another package lays the same file, which both own.
    Shared,
}

/// Tells whether a first package replaces files of a second one.
pub(crate) type Replaces<'a> = &'a (dyn Fn(&Control, &Control) -> bool + Sync);

/// The paths of all packages that are laid into one tree.
pub(crate) struct Claims<'a> {
    replaces: Replaces<'a>,
    controls: Vec<OnceLock<Control>>,
    paths: Mutex<Paths>,
}

#[derive(Default)]
struct Paths {
    owner: HashMap<PathBuf, usize>,
    /// Paths that were claimed by more than one package.
    contested: HashSet<PathBuf>,
    shared: HashSet<(PathBuf, usize)>,
}

impl<'a> Claims<'a> {
    pub(crate) fn new(packages: usize, replaces: Replaces<'a>) -> Self {
        let controls = (0..packages).map(|_| OnceLock::new()).collect();
        Self { replaces, controls, paths: Mutex::default() }
    }

    /// Says what package number `me` is.
    pub(crate) fn introduce(&self, me: usize, control: &Control) {
        self.controls[me].get_or_init(|| control.clone());
    }

    /// Asks for a path that is no directory.
    pub(crate) fn claim(&self, me: usize, place: &Path) -> Result<Claim, Cause> {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(&other) = paths.owner.get(place) else {
            paths.owner.insert(place.to_owned(), me);
            return Ok(Claim::Lay);
        };
        if other == me {
            return Ok(Claim::Lay);
        }
        paths.contested.insert(place.to_owned());
        let (Some(mine), Some(theirs)) = (self.controls[me].get(), self.controls[other].get())
        else {
            return Ok(Claim::Skip);
        };
        if identical(mine, theirs, place) {
            paths.shared.extend([(place.to_owned(), me), (place.to_owned(), other)]);
            if other < me {
                return Ok(Claim::Shared);
            }
            paths.owner.insert(place.to_owned(), me);
            return Ok(Claim::Lay);
        }
        match ((self.replaces)(mine, theirs), (self.replaces)(theirs, mine)) {
            (true, false) => {
                paths.owner.insert(place.to_owned(), me);
                Ok(Claim::Lay)
            }
            (false, true) => Ok(Claim::Skip),
            _ => Err(Cause::Conflict { path: name::shown(place), other: theirs.label() }),
        }
    }

    /// Whether a path is still ours, now that something of another package was found there.
    pub(crate) fn is_mine(&self, me: usize, place: &Path) -> bool {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.owner.get(place) == Some(&me)
    }

    /// Whether what is found at a path may be another package's.
    pub(crate) fn is_contested(&self, place: &Path) -> bool {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.contested.contains(place)
    }

    /// Whether a path belongs to package number `me` in the end.
    pub(crate) fn keeps(&self, me: usize, place: &Path) -> bool {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.owner.get(place) == Some(&me) || paths.shared.contains(&(place.to_owned(), me))
    }
}

/// Whether both are the same package for two architectures, and the file is the same in both.
fn identical(one: &Control, other: &Control, place: &Path) -> bool {
    let Some(place) = place.to_str() else { return false };
    let same = |control: &Control| control.field("Multi-Arch") == Some("same");
    let sum = one.md5sum(place);
    one.package() == other.package()
        && same(one)
        && same(other)
        && sum.is_some()
        && sum == other.md5sum(place)
}
