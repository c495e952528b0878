//! A conflict in words.
//!
//! The solver's proof is a graph: the request and versions of packages are its nodes, what they
//! depend on and what they exclude its edges. It is told as a walk from the request, each version
//! once, alternatives indented below the dependency that they are alternatives of.

use std::collections::HashSet;
use std::fmt::Write as _;

use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictGraph, ConflictNode};
use resolvo::{DenseIndex, Requirement};

use super::needs::Needs;
use super::relation;
use super::solver::Provider;
use super::universe::RecordId;

/// Where nobody reads on.
const MOST_LINES: usize = 40;

/// The chain of dependencies that conflicts, one step a line.
pub(super) fn explain(
    graph: &ConflictGraph,
    needs: &Needs<'_, '_>,
    provider: &Provider<'_, '_, '_>,
) -> String {
    let mut story = Story { graph, needs, provider, told: HashSet::new(), lines: Vec::new() };
    story.tell(graph.root_node.index(), 1);
    if story.lines.len() > MOST_LINES {
        story.lines.truncate(MOST_LINES);
        story.lines.push("  ...".to_owned());
    }
    story.lines.join("\n")
}

struct Story<'s, 'n, 'u, 'a> {
    graph: &'s ConflictGraph,
    needs: &'s Needs<'u, 'a>,
    provider: &'s Provider<'n, 'u, 'a>,
    /// Nodes whose edges have been told.
    told: HashSet<usize>,
    lines: Vec<String>,
}

impl Story<'_, '_, '_, '_> {
    /// Tells what follows from a node.
    fn tell(&mut self, node: usize, depth: usize) {
        if !self.told.insert(node) {
            return;
        }
        let edges = self.graph.graph.raw_edges().iter();
        let edges: Vec<_> = edges.filter(|edge| edge.source().index() == node).collect();
        let mut requirements: Vec<(Requirement, Vec<usize>)> = Vec::new();
        for edge in edges {
            let target = edge.target().index();
            match edge.weight {
                ConflictEdge::Requires(requirement) => {
                    match requirements.iter_mut().find(|(known, _)| *known == requirement) {
                        Some((_, targets)) => targets.push(target),
                        None => requirements.push((requirement, vec![target])),
                    }
                }
                ConflictEdge::Conflict(cause) => self.tell_conflict(node, cause, target, depth),
            }
        }
        for (requirement, targets) in requirements {
            self.tell_requirement(node, requirement, targets, depth);
        }
    }

    fn tell_conflict(&mut self, node: usize, cause: ConflictCause, target: usize, depth: usize) {
        let (Some(one), Some(other)) = (self.record(node), self.record(target)) else { return };
        let universe = self.needs.universe;
        let (one, other) = (universe.label(one), universe.label(other));
        match cause {
            ConflictCause::Constrains(set) => {
                let text = self.provider.text_of_set(set);
                self.line(depth, format!("{one} {text}: {other}"));
            }
            ConflictCause::ForbidMultipleInstances => {
                self.line(depth, format!("{one} and {other} cannot both be there"));
            }
            // Neither locks nor exclusions are given to the solver.
            ConflictCause::Locked(_) | ConflictCause::Excluded => {}
        }
    }

    fn tell_requirement(
        &mut self,
        node: usize,
        requirement: Requirement,
        targets: Vec<usize>,
        depth: usize,
    ) {
        let text = self.provider.text(requirement);
        let records: Vec<_> = targets.iter().filter_map(|target| self.record(*target)).collect();
        let mut line = match self.record(node) {
            // The request's own words.
            None => text.clone(),
            Some(record) => {
                let label = self.needs.universe.label(record);
                format!("{label} depends on {text}")
            }
        };
        match records.as_slice() {
            [] => line.push_str(&self.nothing(&text)),
            [only] if self.record(node).is_some() => {
                // A package that merely bears the name needs no word.
                let universe = self.needs.universe;
                if !text.starts_with(universe.record(*only).stanza.name) {
                    let _ = write!(line, ": {}", universe.label(*only));
                }
            }
            _ => {}
        }
        self.line(depth, line);
        let deeper = depth + usize::from(records.len() > 1);
        for target in targets {
            self.tell(target, deeper);
        }
    }

    /// Why nothing satisfies a dependency: what there is of the names in it.
    fn nothing(&self, text: &str) -> String {
        let universe = self.needs.universe;
        let alternatives = relation::parse(text).unwrap_or_default();
        let mut notes = Vec::new();
        for alternative in alternatives.iter().flatten() {
            let packages = universe.named(alternative.name);
            let there = packages.iter().flat_map(|package| self.needs.choice.of(*package));
            let there: Vec<_> = there.map(|record| universe.label(*record)).collect();
            let others = packages.iter().map(|package| universe.packages[*package].versions.len());
            notes.push(match there.as_slice() {
                [] => format!("there is no {}", alternative.name),
                [held] if others.sum::<usize>() > 1 => format!("{held} is the one to be taken"),
                versions => format!("there is {}", versions.join(", ")),
            });
        }
        match notes.as_slice() {
            [] => ", which nothing satisfies".to_owned(),
            notes => format!(", which nothing satisfies: {}", notes.join(", ")),
        }
    }

    fn record(&self, node: usize) -> Option<RecordId> {
        match self.graph.graph.raw_nodes().get(node)?.weight {
            ConflictNode::Solvable(solvable) => Some(solvable.to_index()),
            ConflictNode::Root | ConflictNode::UnresolvedDependency | ConflictNode::Excluded(_) => {
                None
            }
        }
    }

    fn line(&mut self, depth: usize, text: String) {
        let line = format!("{}{text}", "  ".repeat(depth));
        // Several versions of a package often have the same to say.
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }
}
