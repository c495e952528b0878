//! apt's order of choosing.
//!
//! apt walks dependencies depth first: a package is marked, then each of its dependencies in turn
//! is looked at; if something marked satisfies it, nothing happens, otherwise its alternatives are
//! tried in order and the first that can be marked with all its own dependencies is kept. What is
//! met first thus decides which of several alternatives are taken. The marks repeat that walk, so
//! that the solver starts from the choice that apt makes and departs from it only where it leads
//! nowhere.

use std::collections::{HashMap, HashSet};

use super::needs::Needs;
use crate::solving::{Need, PackageId, Preferred, RecordId};

/// What apt would install, each package with its version.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    marked: HashMap<PackageId, RecordId>,
    /// Versions that something marked excludes.
    excluded: HashMap<RecordId, usize>,
    /// Whether everything that has to be satisfied is.
    complete: bool,
}

impl Marks {
    /// Marks the roots, then what they need, in order.
    pub(crate) fn walk(needs: &Needs<'_, '_>, roots: &[RecordId]) -> Self {
        let mut marks = Self { complete: true, ..Self::default() };
        for root in roots {
            marks.complete &= marks.put(needs, *root);
        }
        let mut failed = HashSet::new();
        for root in roots {
            marks.complete &= marks.satisfy(needs, *root, &mut failed);
        }
        marks
    }

    /// What is marked in the end.
    pub(crate) fn preferred(self) -> Preferred {
        Preferred::new(self.marked.into_values(), self.complete)
    }

    /// Whether a version is marked.
    fn has(&self, needs: &Needs<'_, '_>, record: RecordId) -> bool {
        let package = needs.universe.record(record).package;
        self.marked.get(&package) == Some(&record)
    }

    /// Marks a version and what it needs. What was marked for its sake stays when that fails, as
    /// it does in apt, where the unneeded is swept away at the end.
    fn mark(
        &mut self,
        needs: &Needs<'_, '_>,
        record: RecordId,
        failed: &mut HashSet<RecordId>,
    ) -> bool {
        if self.has(needs, record) {
            return true;
        }
        if failed.contains(&record) || !self.put(needs, record) {
            return false;
        }
        if self.satisfy(needs, record, failed) {
            return true;
        }
        self.take_back(needs, record);
        failed.insert(record);
        false
    }

    /// Marks a version, unless what is marked excludes it or another version of it is.
    fn put(&mut self, needs: &Needs<'_, '_>, record: RecordId) -> bool {
        let package = needs.universe.record(record).package;
        if let Some(marked) = self.marked.get(&package) {
            return *marked == record;
        }
        let terms = needs.of(record);
        let mut excluded = terms.exclusions.iter().flat_map(|exclusion| &exclusion.excluded);
        if self.excluded.contains_key(&record) || excluded.any(|other| self.has(needs, *other)) {
            return false;
        }
        for other in terms.exclusions.iter().flat_map(|exclusion| &exclusion.excluded) {
            *self.excluded.entry(*other).or_default() += 1;
        }
        self.marked.insert(package, record);
        true
    }

    fn take_back(&mut self, needs: &Needs<'_, '_>, record: RecordId) {
        self.marked.remove(&needs.universe.record(record).package);
        for other in needs.of(record).exclusions.iter().flat_map(|exclusion| &exclusion.excluded) {
            if let Some(count) = self.excluded.get_mut(other) {
                *count -= 1;
                if *count == 0 {
                    self.excluded.remove(other);
                }
            }
        }
    }

    fn satisfy(
        &mut self,
        needs: &Needs<'_, '_>,
        record: RecordId,
        failed: &mut HashSet<RecordId>,
    ) -> bool {
        for group in &needs.of(record).groups {
            if group.solutions.iter().any(|solution| self.has(needs, *solution)) {
                continue;
            }
            let found = group.solutions.iter().any(|solution| self.mark(needs, *solution, failed));
            if !found && group.need == Need::Depends {
                return false;
            }
        }
        true
    }
}
