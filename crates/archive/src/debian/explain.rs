//! A conflict in words.

use resolvo::conflict::ConflictGraph;

use super::needs::Needs;
use super::solver::{Provider, Root};

/// The chain of dependencies that conflicts, one step a line.
pub(super) fn explain(
    graph: &ConflictGraph,
    needs: &Needs<'_, '_>,
    roots: &[Root],
    provider: &Provider<'_, '_, '_>,
) -> String {
    let _ = (graph, needs, roots, provider);
    String::new()
}
