//! What of a solution is needed: everything that a root reaches through dependencies.

use std::collections::HashSet;

use super::{Packages, RecordId};

/// Leaves the versions that are reached from the roots. Of a dependency with several satisfied
/// alternatives all are reached, as autoremove of apt has it.
pub(crate) fn sweep(
    packages: &impl Packages,
    roots: impl IntoIterator<Item = RecordId>,
    solution: &[RecordId],
) -> Vec<RecordId> {
    let installed: HashSet<_> = solution.iter().copied().collect();
    let mut reached = HashSet::new();
    let mut queue: Vec<_> = roots.into_iter().filter(|root| installed.contains(root)).collect();
    while let Some(record) = queue.pop() {
        if reached.insert(record) {
            let terms = packages.terms(record);
            let solutions = terms.groups.iter().flat_map(|group| &group.solutions);
            queue.extend(solutions.copied().filter(|solution| installed.contains(solution)));
        }
    }
    let mut reached: Vec<_> = reached.into_iter().collect();
    reached.sort_unstable();
    reached
}
