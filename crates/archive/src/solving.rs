//! Packages that fit together: what resolvers of every distribution have in common.
//!
//! A distribution says what each version of a package needs and excludes, in [`Terms`], and which
//! versions its own package manager would take ([`Preferred`]). The solver keeps to that where
//! everything in it holds, finds something else where it does not, and tells the chain that
//! conflicts where nothing does.

mod explain;
mod solver;
mod sweep;

use std::collections::HashSet;
use std::rc::Rc;

pub(crate) use solver::{Conflict, Root, solve};
pub(crate) use sweep::sweep;

use crate::Error;

/// A version of a package.
pub(crate) type RecordId = usize;
/// A package, of which there are versions. At most one of them is taken.
pub(crate) type PackageId = usize;

/// Which versions are there to choose from: for each package, the preferred first.
#[derive(Clone, Debug)]
pub(crate) struct Choice(pub(crate) Vec<Vec<RecordId>>);

impl Choice {
    pub(crate) fn of(&self, package: PackageId) -> &[RecordId] {
        &self.0[package]
    }
}

/// Packages of a distribution.
pub(crate) trait Packages {
    /// The package that a version is of.
    fn package_of(&self, record: RecordId) -> PackageId;

    /// The versions of a package that may be taken, the preferred first.
    fn versions(&self, package: PackageId) -> &[RecordId];

    /// What a version needs and excludes.
    fn terms(&self, record: RecordId) -> Rc<Terms>;

    /// `postfix`
    fn name(&self, record: RecordId) -> &str;

    /// `postfix 3.7.11-0+deb12u1`
    fn label(&self, record: RecordId) -> String;

    /// `postfix`, or `postfix:i386`.
    fn package_label(&self, package: PackageId) -> String;

    /// Of a dependency that nothing satisfies: what there is of the names in it.
    fn what_there_is(&self, dependency: &str) -> Vec<String>;

    /// The first error that was met while terms were worked out.
    ///
    /// # Errors
    /// That one.
    fn check(&self) -> Result<(), Error>;
}

/// Whether a package cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Depends,
    Recommends,
}

/// One dependency of a version.
#[derive(Debug)]
pub(crate) struct Group {
    /// As the archive writes it.
    pub(crate) text: String,
    /// What satisfies it, the preferred first.
    pub(crate) solutions: Vec<RecordId>,
    pub(crate) need: Need,
}

/// Versions that one cannot be together with.
#[derive(Debug)]
pub(crate) struct Exclusion {
    /// `conflicts with mail-transport-agent`.
    pub(crate) text: String,
    pub(crate) excluded: Vec<RecordId>,
}

/// What a version needs and excludes.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    pub(crate) groups: Vec<Group>,
    pub(crate) exclusions: Vec<Exclusion>,
}

/// What the distribution's own package manager would take.
#[derive(Debug, Default)]
pub(crate) struct Preferred {
    versions: HashSet<RecordId>,
    /// Whether everything that has to be satisfied is.
    pub(crate) complete: bool,
}

impl Preferred {
    pub(crate) fn new(versions: impl IntoIterator<Item = RecordId>, complete: bool) -> Self {
        Self { versions: versions.into_iter().collect(), complete }
    }

    /// Whether a version is among them.
    pub(crate) fn has(&self, record: RecordId) -> bool {
        self.versions.contains(&record)
    }

    /// All of them, in the order of the records.
    pub(crate) fn versions(&self) -> Vec<RecordId> {
        let mut versions: Vec<_> = self.versions.iter().copied().collect();
        versions.sort_unstable();
        versions
    }
}
