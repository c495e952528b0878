//! What each version needs and excludes, for the walk and for the solver.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::relation::Relation;
use super::universe::Universe;
use crate::Error;
use crate::solving::{Choice, Exclusion, Group, Need, PackageId, Packages, RecordId, Terms};

/// The terms of all versions among a choice, each worked out once.
pub(crate) struct Needs<'u, 'a> {
    pub(crate) universe: &'u Universe<'a>,
    pub(crate) choice: &'u Choice,
    /// What is taken for installed.
    assumed: &'u [Relation],
    /// Packages of an earlier lock, which come before others that provide the same.
    locked: &'u HashSet<PackageId>,
    terms: RefCell<HashMap<RecordId, Rc<Terms>>>,
}

impl<'u, 'a> Needs<'u, 'a> {
    pub(crate) fn new(
        universe: &'u Universe<'a>,
        choice: &'u Choice,
        assumed: &'u [Relation],
        locked: &'u HashSet<PackageId>,
    ) -> Self {
        Self { universe, choice, assumed, locked, terms: RefCell::default() }
    }

    /// What satisfies a relation, the preferred first.
    pub(crate) fn satisfiers(&self, relation: &Relation) -> Vec<RecordId> {
        let mut found = self.universe.satisfiers(relation, self.choice);
        if !self.locked.is_empty() {
            let locked = |id: &RecordId| self.locked.contains(&self.universe.record(*id).package);
            found.sort_by_key(|id| !locked(id));
        }
        found
    }

    fn work_out(&self, record: RecordId) -> Terms {
        let about = &self.universe.record(record).entry.about;
        let mut terms = Terms::default();
        for relation in &about.depends {
            // Some packages depend on what they provide themselves.
            let itself = relation.admits(&about.name, &about.version)
                || about.provides.iter().any(|provided| relation.admits_provided(provided));
            if itself || self.assumed.iter().any(|assumed| relation.admits_provided(assumed)) {
                continue;
            }
            let solutions = self.satisfiers(relation);
            terms.groups.push(Group { text: relation.to_string(), solutions, need: Need::Depends });
        }
        for relation in &about.conflicts {
            // A package does not conflict with itself, nor with another version of itself.
            let mut excluded = self.universe.satisfiers(relation, self.choice);
            let package = self.universe.record(record).package;
            excluded.retain(|other| self.universe.record(*other).package != package);
            if !excluded.is_empty() {
                let text = format!("conflicts with {relation}");
                terms.exclusions.push(Exclusion { text, excluded });
            }
        }
        terms
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
        if let Some(terms) = self.terms.borrow().get(&record) {
            return Rc::clone(terms);
        }
        let terms = Rc::new(self.work_out(record));
        self.terms.borrow_mut().insert(record, Rc::clone(&terms));
        terms
    }

    fn name(&self, record: RecordId) -> &str {
        &self.universe.record(record).entry.about.name
    }

    fn label(&self, record: RecordId) -> String {
        self.universe.label(record)
    }

    fn package_label(&self, package: PackageId) -> String {
        self.universe.packages[package].name.to_owned()
    }

    fn what_there_is(&self, dependency: &str) -> Vec<String> {
        let Some(relation) = Relation::parse(dependency) else { return Vec::new() };
        let name = &relation.name;
        let any = Relation { name: name.clone(), version: None };
        let there = self.universe.satisfiers(&any, self.choice);
        let notes: Vec<_> = there
            .into_iter()
            .map(|id| match &self.universe.record(id).entry.about {
                about if about.name == *name => format!("there is {}", about.label()),
                about => {
                    let mut provided = about.provides.iter().filter(|p| p.name == *name);
                    let provided = provided.next().map_or_else(String::new, ToString::to_string);
                    format!("{} provides {provided}", about.label())
                }
            })
            .collect();
        match (notes.as_slice(), self.universe.left_out(name)) {
            ([], Some((repository, why))) => {
                vec![format!("{repository} has a {name} that is not understood: {why}")]
            }
            ([], None) => vec![format!("there is no {name}")],
            _ => notes,
        }
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
