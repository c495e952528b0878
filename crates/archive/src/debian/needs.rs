//! Dependencies as lists of versions to choose from: what the marks and the solver both work on.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::relation;
use super::request::Request;
use super::universe::{Choice, Need, PackageId, RecordId, Universe};
use crate::Error;

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

/// The terms of all versions among a choice, each worked out once.
pub(crate) struct Needs<'u, 'a> {
    pub(crate) universe: &'u Universe<'a>,
    pub(crate) choice: &'u Choice,
    recommends: bool,
    /// Names that are taken for installed.
    assumed: HashSet<&'u str>,
    /// Packages of an earlier lock, which come before other alternatives.
    locked: &'u HashSet<PackageId>,
    terms: RefCell<HashMap<RecordId, Rc<Terms>>>,
    /// The first error; relations that are not understood surface when all is done.
    error: RefCell<Option<Error>>,
}

impl<'u, 'a> Needs<'u, 'a> {
    pub(crate) fn new(
        universe: &'u Universe<'a>,
        choice: &'u Choice,
        request: &'u Request,
        locked: &'u HashSet<PackageId>,
    ) -> Self {
        Self {
            universe,
            choice,
            recommends: request.recommends,
            assumed: request.assume_installed.iter().map(String::as_str).collect(),
            locked,
            terms: RefCell::default(),
            error: RefCell::default(),
        }
    }

    /// What a version needs and excludes.
    pub(crate) fn of(&self, record: RecordId) -> Rc<Terms> {
        if let Some(terms) = self.terms.borrow().get(&record) {
            return Rc::clone(terms);
        }
        let terms = Rc::new(self.work_out(record).unwrap_or_else(|error| {
            self.error.borrow_mut().get_or_insert(error);
            Terms::default()
        }));
        self.terms.borrow_mut().insert(record, Rc::clone(&terms));
        terms
    }

    /// The error that was met on the way, if any.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.error.borrow_mut().take().map_or(Ok(()), Err)
    }

    fn work_out(&self, record: RecordId) -> Result<Terms, Error> {
        let universe = self.universe;
        let architecture = universe.packages[universe.record(record).package].architecture;
        let mut terms = Terms::default();
        for (alternatives, need) in universe.needs(record, self.recommends)? {
            let mut solutions = Vec::new();
            let mut assumed = false;
            for relation in &alternatives {
                assumed |= self.assumed.contains(relation.name);
                for found in universe.satisfiers(relation, architecture, self.choice) {
                    assumed |= self.assumed.contains(universe.record(found).stanza.name);
                    if !solutions.contains(&found) {
                        solutions.push(found);
                    }
                }
            }
            solutions.sort_by_key(|id| !self.locked.contains(&universe.record(*id).package));
            if !assumed {
                terms.groups.push(Group {
                    text: relation::display(&alternatives),
                    solutions,
                    need,
                });
            }
        }
        for (relation, word) in universe.negatives(record)? {
            let excluded = universe.excluded(&relation, record, self.choice);
            if !excluded.is_empty() {
                terms.exclusions.push(Exclusion { text: format!("{word} {relation}"), excluded });
            }
        }
        terms.exclusions.extend(self.across_architectures(record));
        Ok(terms)
    }

    /// A package is there for one architecture only, unless it is `Multi-Arch: same` and of the
    /// same version in all.
    fn across_architectures(&self, id: RecordId) -> Option<Exclusion> {
        let universe = self.universe;
        let record = universe.record(id);
        let same = super::stanza::MultiArch::Same;
        let excluded: Vec<_> = universe
            .named(record.stanza.name)
            .iter()
            .filter(|package| **package != record.package)
            .flat_map(|package| self.choice.of(*package))
            .copied()
            .filter(|other| {
                let other = universe.record(*other);
                record.stanza.multi_arch != same
                    || other.stanza.multi_arch != same
                    || record.stanza.version != other.stanza.version
            })
            .collect();
        let text = "cannot be there for two architectures, but in the same version of packages \
                    that are `Multi-Arch: same`"
            .to_owned();
        (!excluded.is_empty()).then_some(Exclusion { text, excluded })
    }
}
