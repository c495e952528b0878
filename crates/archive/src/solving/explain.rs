//! A conflict in words.
//!
//! The solver's proof is a graph: the request and versions of packages are its nodes, what they
//! depend on and what they exclude its edges. It is told as a walk from the request, each version
//! once, alternatives indented below the dependency that they are alternatives of.

use std::collections::HashSet;
use std::fmt::Write as _;

use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictGraph, ConflictNode};
use resolvo::{DenseIndex, Requirement};

use super::solver::Provider;
use super::{Packages, RecordId};

/// Where nobody reads on.
const MOST_LINES: usize = 40;

/// The chain of dependencies that conflicts, one step a line.
pub(super) fn explain<P: Packages>(
    graph: &ConflictGraph,
    packages: &P,
    provider: &Provider<'_, P>,
) -> String {
    let mut story = Story { graph, packages, provider, told: HashSet::new(), lines: Vec::new() };
    story.tell(graph.root_node.index(), 1);
    if story.lines.len() > MOST_LINES {
        story.lines.truncate(MOST_LINES);
        story.lines.push("  ...".to_owned());
    }
    story.lines.join("\n")
}

struct Story<'s, 'p, P> {
    graph: &'s ConflictGraph,
    packages: &'s P,
    provider: &'s Provider<'p, P>,
    /// Nodes whose edges have been told.
    told: HashSet<usize>,
    lines: Vec<String>,
}

impl<P: Packages> Story<'_, '_, P> {
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
        let (one, other) = (self.packages.label(one), self.packages.label(other));
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
                let label = self.packages.label(record);
                format!("{label} depends on {text}")
            }
        };
        match records.as_slice() {
            [] => line.push_str(&self.nothing(&text)),
            // A package that merely bears the name needs no word.
            [only]
                if self.record(node).is_some() && !text.starts_with(self.packages.name(*only)) =>
            {
                let _ = write!(line, ": {}", self.packages.label(*only));
            }
            _ => {}
        }
        self.line(depth, line);
        let deeper = depth + usize::from(records.len() > 1);
        for target in targets {
            self.tell(target, deeper);
        }
    }

    fn nothing(&self, text: &str) -> String {
        match self.packages.what_there_is(text).as_slice() {
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
