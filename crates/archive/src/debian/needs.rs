//! Dependencies as lists of versions to choose from: what the marks and the solver both work on.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use lock::debian::Request;

use super::relation;
use super::universe::Universe;
use crate::Error;
use crate::solving::{Choice, Exclusion, Group, PackageId, Packages, RecordId, Terms};

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

impl Packages for Needs<'_, '_> {
    fn package_of(&self, record: RecordId) -> PackageId {
        self.universe.record(record).package
    }

    fn versions(&self, package: PackageId) -> &[RecordId] {
        self.choice.of(package)
    }

    fn terms(&self, record: RecordId) -> Rc<Terms> {
        self.of(record)
    }

    fn name(&self, record: RecordId) -> &str {
        self.universe.record(record).stanza.name
    }

    fn label(&self, record: RecordId) -> String {
        self.universe.label(record)
    }

    fn package_label(&self, package: PackageId) -> String {
        self.universe.package_label(package)
    }

    fn what_there_is(&self, dependency: &str) -> Vec<String> {
        let universe = self.universe;
        let alternatives = relation::parse(dependency).unwrap_or_default();
        let notes = alternatives.iter().flatten().map(|alternative| {
            let packages = universe.named(alternative.name);
            let there = packages.iter().flat_map(|package| self.choice.of(*package));
            let there: Vec<_> = there.map(|record| universe.label(*record)).collect();
            let others = packages.iter().map(|package| universe.packages[*package].versions.len());
            match there.as_slice() {
                [] => format!("there is no {}", alternative.name),
                [held] if others.sum::<usize>() > 1 => format!("{held} is the one to be taken"),
                versions => format!("there is {}", versions.join(", ")),
            }
        });
        notes.collect()
    }

    fn check(&self) -> Result<(), Error> {
        self.error.borrow_mut().take().map_or(Ok(()), Err)
    }
}
