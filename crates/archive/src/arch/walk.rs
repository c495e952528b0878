//! pacman's own way of choosing (libalpm's `_alpm_resolvedeps` and `_alpm_sync_prepare`).
//!
//! pacman takes the targets in their order and walks their dependencies depth first: what is taken
//! already satisfies a dependency, else another target does, else the first package of the
//! repositories that can. It never turns back. Then, of two packages that conflict, one goes if
//! the other provides it. The walk repeats that, so that a lock has what pacman would install; the
//! solver is asked for something else only where pacman would give up.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::needs::Needs;
use super::relation::Relation;
use crate::solving::{PackageId, Packages as _, Preferred, RecordId, Terms};

/// What pacman would install.
pub(crate) struct Walk<'n, 'u, 'a> {
    needs: &'n Needs<'u, 'a>,
    targets: &'n [RecordId],
    /// In the order in which they were taken.
    taken: Vec<RecordId>,
    packages: HashMap<PackageId, RecordId>,
    /// Whether everything that has to be satisfied is.
    complete: bool,
}

/// What came of a walk.
pub(crate) struct Walked {
    pub(crate) preferred: Preferred,
    /// What made way for a package that conflicts with it and provides it.
    pub(crate) replaced: HashMap<RecordId, RecordId>,
}

impl<'n, 'u, 'a> Walk<'n, 'u, 'a> {
    pub(crate) fn from(needs: &'n Needs<'u, 'a>, targets: &'n [RecordId]) -> Walked {
        let mut walk =
            Self { needs, targets, taken: Vec::new(), packages: HashMap::new(), complete: true };
        for target in targets {
            walk.take(*target);
        }
        let replaced = walk.make_way();
        walk.complete &= walk.taken.iter().all(|record| walk.is_satisfied(*record));
        Walked { preferred: Preferred::new(walk.taken, walk.complete), replaced }
    }

    /// Takes a version and all that it needs. A stack of its own: how long a chain of dependencies
    /// is, a database that nobody has signed says.
    fn take(&mut self, target: RecordId) {
        let mut stack: Vec<(Rc<Terms>, usize)> = self.put(target).into_iter().collect();
        while let Some((terms, next)) = stack.last_mut() {
            let Some(group) = terms.groups.get(*next) else {
                stack.pop();
                continue;
            };
            *next += 1;
            if group.solutions.iter().any(|solution| self.has(*solution)) {
                continue;
            }
            let among_targets =
                self.targets.iter().find(|target| group.solutions.contains(target)).copied();
            let found = among_targets.or_else(|| {
                let mut solutions = group.solutions.iter().copied();
                solutions.find(|id| !self.packages.contains_key(&self.needs.package_of(*id)))
            });
            match found {
                Some(found) => stack.extend(self.put(found)),
                None => self.complete = false,
            }
        }
    }

    /// Notes a version as taken, unless some version of its package is.
    fn put(&mut self, record: RecordId) -> Option<(Rc<Terms>, usize)> {
        let package = self.needs.package_of(record);
        if let Some(taken) = self.packages.get(&package) {
            // libalpm looks at the name alone and finds out in the end.
            self.complete &= *taken == record;
            return None;
        }
        self.packages.insert(package, record);
        self.taken.push(record);
        Some((self.needs.terms(record), 0))
    }

    fn has(&self, record: RecordId) -> bool {
        self.packages.get(&self.needs.package_of(record)) == Some(&record)
    }

    /// Of two that conflict, takes out the one that the other provides.
    fn make_way(&mut self) -> HashMap<RecordId, RecordId> {
        let mut replaced = HashMap::new();
        let mut gone = HashSet::new();
        for one in self.taken.clone() {
            let terms = self.needs.terms(one);
            let excluded = terms.exclusions.iter().flat_map(|exclusion| &exclusion.excluded);
            let mut others: Vec<_> = excluded.copied().filter(|other| self.has(*other)).collect();
            others.sort_by_key(|other| self.taken.iter().position(|taken| taken == other));
            for other in others {
                if gone.contains(&one) || gone.contains(&other) {
                    continue;
                }
                let (stays, goes) = if self.provides(one, other) {
                    (one, other)
                } else if self.provides(other, one) {
                    (other, one)
                } else {
                    self.complete = false;
                    continue;
                };
                gone.insert(goes);
                replaced.insert(goes, stays);
                self.packages.remove(&self.needs.package_of(goes));
            }
        }
        self.taken.retain(|record| !gone.contains(record));
        replaced
    }

    /// Whether one provides the name of another.
    fn provides(&self, one: RecordId, other: RecordId) -> bool {
        let name = Relation { name: self.needs.name(other).to_owned(), version: None };
        let provides = &self.needs.universe.record(one).entry.about.provides;
        provides.iter().any(|provided| name.admits_provided(provided))
    }

    fn is_satisfied(&self, record: RecordId) -> bool {
        let terms = self.needs.terms(record);
        terms.groups.iter().all(|group| group.solutions.iter().any(|id| self.has(*id)))
    }
}
