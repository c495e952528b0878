//! The problem as the solver sees it.
//!
//! A name of the solver is a package of an architecture, its solvables are the versions that there
//! are to choose from. Nothing else is needed: a dependency, with its alternatives and the packages
//! that provide them, is a union of sets of versions in the order of preference; what a version
//! conflicts with is a constraint on each package concerned to be none of the excluded versions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, DenseIndex, Dependencies,
    DependencyProvider, HintDependenciesAvailable, Interner, KnownDependencies, NameId, Problem,
    SolvableId, Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId,
    VersionSetUnionId,
};

use super::explain::explain;
use super::{Need, PackageId, Packages, Preferred, RecordId};
use crate::Error;

/// A root of the problem: what was asked for, and the versions that answer it.
#[derive(Debug)]
pub(crate) struct Root {
    /// Why it is there: `postfix is asked for`, `dpkg is essential`.
    pub(crate) text: String,
    pub(crate) solutions: Vec<RecordId>,
}

/// A choice without a solution, with the chain that conflicts.
#[derive(Debug)]
pub(crate) struct Conflict(pub(crate) String);

/// Finds versions that satisfy the roots and each other; they keep as near to what is preferred as
/// can be.
pub(crate) fn solve<P: Packages>(
    packages: &P,
    roots: &[Root],
    preferred: &Preferred,
) -> Result<Result<Vec<RecordId>, Conflict>, Error> {
    let provider = Provider::new(packages, preferred);
    let requirements = roots
        .iter()
        .map(|root| provider.requirement(&root.text, &root.solutions))
        .collect::<Vec<_>>();
    // Where what is preferred satisfies everything it is the solution, also where it could do with
    // less.
    let soft = if preferred.complete { preferred.versions() } else { Vec::new() };
    let soft: Vec<_> = soft.into_iter().map(SolvableId::from_index).collect();
    let problem = Problem::new().requirements(requirements).soft_requirements(soft);
    let mut solver = Solver::new(provider);
    let solved = solver.solve(problem);
    packages.check()?;
    match solved {
        Ok(solvables) => Ok(Ok(solvables.into_iter().map(DenseIndex::to_index).collect())),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let graph = conflict.graph(&solver);
            Ok(Err(Conflict(explain(&graph, packages, solver.provider()))))
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => {
            Err(Error::Request { what: "the solver gave up".to_owned() })
        }
    }
}

/// A set of versions of one package.
struct VersionSet {
    package: PackageId,
    members: Vec<RecordId>,
    text: String,
}

#[derive(Default)]
struct Sets {
    sets: Vec<VersionSet>,
    unions: Vec<(Vec<VersionSetId>, String)>,
    /// Sets that were made, so that equal constraints are one.
    known: HashMap<(PackageId, Vec<RecordId>, String), VersionSetId>,
}

/// What the solver asks.
pub(super) struct Provider<'p, P> {
    packages: &'p P,
    preferred: &'p Preferred,
    sets: RefCell<Sets>,
}

impl<'p, P> Provider<'p, P> {
    pub(super) fn new(packages: &'p P, preferred: &'p Preferred) -> Self {
        Self { packages, preferred, sets: RefCell::default() }
    }
}

impl<P: Packages> Provider<'_, P> {
    /// The text of a requirement or constraint, as the archive has it.
    pub(super) fn text_of_set(&self, set: VersionSetId) -> String {
        self.sets.borrow().sets[set.to_index()].text.clone()
    }

    /// The text of a requirement.
    pub(super) fn text(&self, requirement: resolvo::Requirement) -> String {
        match requirement {
            resolvo::Requirement::Single(set) => self.text_of_set(set),
            resolvo::Requirement::Union(union) => {
                self.sets.borrow().unions[union.to_index()].1.clone()
            }
        }
    }

    pub(super) fn requirement(&self, text: &str, solutions: &[RecordId]) -> ConditionalRequirement {
        let mut ordered = solutions.to_vec();
        // What is preferred comes first; the sort is stable.
        ordered.sort_by_key(|solution| !self.preferred.has(*solution));
        let mut runs: Vec<(PackageId, Vec<RecordId>)> = Vec::new();
        for solution in ordered {
            let package = self.packages.package_of(solution);
            match runs.last_mut() {
                Some((last, members)) if *last == package => members.push(solution),
                _ => runs.push((package, vec![solution])),
            }
        }
        match runs.as_slice() {
            // A set without members of any package stands for what cannot be had.
            [] => self.set(0, Vec::new(), text).into(),
            [(package, members)] => self.set(*package, members.clone(), text).into(),
            _ => {
                let sets = runs
                    .into_iter()
                    .map(|(package, members)| self.set(package, members, text))
                    .collect();
                let mut all = self.sets.borrow_mut();
                all.unions.push((sets, text.to_owned()));
                VersionSetUnionId::from_index(all.unions.len() - 1).into()
            }
        }
    }

    fn set(&self, package: PackageId, members: Vec<RecordId>, text: &str) -> VersionSetId {
        let mut all = self.sets.borrow_mut();
        let key = (package, members, text.to_owned());
        if let Some(id) = all.known.get(&key) {
            return *id;
        }
        let id = VersionSetId::from_index(all.sets.len());
        all.sets.push(VersionSet { package, members: key.1.clone(), text: key.2.clone() });
        all.known.insert(key, id);
        id
    }

    fn dependencies(&self, record: RecordId) -> KnownDependencies {
        let terms = self.packages.terms(record);
        let mut known = KnownDependencies::default();
        for group in &terms.groups {
            match group.need {
                Need::Depends => {
                    known.requirements.push(self.requirement(&group.text, &group.solutions));
                }
                // A recommendation binds where it was followed: it is never a reason to fail.
                Need::Recommends => {
                    let followed = group.solutions.iter().copied();
                    let followed: Vec<_> = followed.filter(|s| self.preferred.has(*s)).collect();
                    if self.preferred.complete && !followed.is_empty() {
                        known.requirements.push(self.requirement(&group.text, &followed));
                    }
                }
            }
        }
        for exclusion in &terms.exclusions {
            let mut by_package: Vec<(PackageId, Vec<RecordId>)> = Vec::new();
            for excluded in &exclusion.excluded {
                let package = self.packages.package_of(*excluded);
                match by_package.iter_mut().find(|(known, _)| *known == package) {
                    Some((_, records)) => records.push(*excluded),
                    None => by_package.push((package, vec![*excluded])),
                }
            }
            for (package, excluded) in by_package {
                let others = self.packages.versions(package).iter().copied();
                let members = others.filter(|record| !excluded.contains(record)).collect();
                known.constrains.push(self.set(package, members, &exclusion.text));
            }
        }
        known
    }
}

impl<P: Packages> Interner for Provider<'_, P> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.packages.label(solvable.to_index())
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.packages.package_label(name.to_index())
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        self.text_of_set(set)
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        // No strings are interned: nothing is excluded with a reason.
        ""
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        NameId::from_index(self.sets.borrow().sets[set.to_index()].package)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_index(self.packages.package_of(solvable.to_index()))
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.sets.borrow().unions[union.to_index()].0.clone().into_iter()
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement has a condition")
    }
}

impl<P: Packages> DependencyProvider for Provider<'_, P> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let all = self.sets.borrow();
        let members = &all.sets[set.to_index()].members;
        let is_member = |candidate: &SolvableId| members.contains(&candidate.to_index());
        candidates.iter().copied().filter(|candidate| is_member(candidate) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let versions = self.packages.versions(name.to_index());
        Some(Candidates {
            candidates: versions.iter().map(|record| SolvableId::from_index(*record)).collect(),
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_key(|solvable| {
            let record = solvable.to_index();
            let versions = self.packages.versions(self.packages.package_of(record));
            versions.iter().position(|version| *version == record)
        });
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        Dependencies::Known(self.dependencies(solvable.to_index()))
    }
}
