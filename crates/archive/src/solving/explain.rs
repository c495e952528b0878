//! A conflict in words.
//!
//! The solver's proof is a graph: the request and versions of packages are its nodes, what they
//! depend on and what they exclude its edges. It is told as a walk from the request, each version
//! once, alternatives indented below the dependency that they are alternatives of.

use std::collections::{HashMap, HashSet};
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
    let mut edges: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, edge) in graph.graph.raw_edges().iter().enumerate() {
        edges.entry(edge.source().index()).or_default().push(at);
    }
    let told = HashSet::new();
    let mut story = Story { graph, packages, provider, edges, told, lines: Vec::new() };
    story.tell(graph.root_node.index());
    if story.is_long() {
        story.lines.truncate(MOST_LINES);
        story.lines.push("  ...".to_owned());
    }
    story.lines.join("\n")
}

struct Story<'s, 'p, P> {
    graph: &'s ConflictGraph,
    packages: &'s P,
    provider: &'s Provider<'p, P>,
    /// Those that leave each node.
    edges: HashMap<usize, Vec<usize>>,
    /// Nodes whose edges have been told.
    told: HashSet<usize>,
    lines: Vec<String>,
}

/// What is still to be told.
enum Next {
    /// What follows from a node.
    Node(usize),
    /// What a node requires, and all that follows from what would do.
    Requirement(usize, Requirement, Vec<usize>),
}

impl<P: Packages> Story<'_, '_, P> {
    /// Tells what follows from a node, in depth: on a stack of its own, since packages may depend
    /// on one another in a chain of any length.
    fn tell(&mut self, node: usize) {
        let mut stack = vec![(Next::Node(node), 1)];
        while let Some((next, depth)) = stack.pop() {
            if self.is_long() {
                return;
            }
            // What comes first goes onto the stack last.
            match next {
                Next::Node(node) => {
                    let requirements = self.tell_node(node, depth).into_iter().rev();
                    stack.extend(requirements.map(|(requirement, targets)| {
                        (Next::Requirement(node, requirement, targets), depth)
                    }));
                }
                Next::Requirement(node, requirement, targets) => {
                    let deeper = self.tell_requirement(node, requirement, &targets, depth);
                    stack.extend(targets.into_iter().rev().map(|it| (Next::Node(it), deeper)));
                }
            }
        }
    }

    /// Whether nobody reads on.
    fn is_long(&self) -> bool {
        self.lines.len() > MOST_LINES
    }

    /// Tells what a node excludes; what it requires, with the nodes that would do, comes back.
    fn tell_node(&mut self, node: usize, depth: usize) -> Vec<(Requirement, Vec<usize>)> {
        let mut requirements: Vec<(Requirement, Vec<usize>)> = Vec::new();
        if !self.told.insert(node) {
            return requirements;
        }
        for at in self.edges.remove(&node).unwrap_or_default() {
            let edge = &self.graph.graph.raw_edges()[at];
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
        requirements
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

    /// Tells a requirement; how deep what follows is to be indented comes back.
    fn tell_requirement(
        &mut self,
        node: usize,
        requirement: Requirement,
        targets: &[usize],
        depth: usize,
    ) -> usize {
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
        depth + usize::from(records.len() > 1)
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

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use resolvo::SolvableId;

    use super::*;
    use crate::Error;
    use crate::solving::{PackageId, Preferred, Terms};

    /// Packages of one version each.
    struct Chain(Vec<[RecordId; 1]>);

    impl Packages for Chain {
        fn package_of(&self, record: RecordId) -> PackageId {
            record
        }

        fn versions(&self, package: PackageId) -> &[RecordId] {
            &self.0[package]
        }

        fn terms(&self, _: RecordId) -> Rc<Terms> {
            Rc::default()
        }

        fn name(&self, _: RecordId) -> &str {
            // Each requirement begins with it: a package that bears the name needs no word.
            "p"
        }

        fn label(&self, record: RecordId) -> String {
            format!("p{record} 1")
        }

        fn package_label(&self, package: PackageId) -> String {
            format!("p{package}")
        }

        fn what_there_is(&self, _: &str) -> Vec<String> {
            Vec::new()
        }

        fn check(&self) -> Result<(), Error> {
            Ok(())
        }
    }

    /// The graph is put together here: the solver's own checks, which only tests have, take minutes
    /// for a long chain.
    fn told(length: usize) -> String {
        let chain = Chain((0..length).map(|record| [record]).collect());
        let preferred = Preferred::default();
        let provider = Provider::new(&chain, &preferred);
        let root_node = Default::default();
        let mut conflict =
            ConflictGraph { graph: Default::default(), root_node, unresolved_node: None };
        let graph = &mut conflict.graph;
        let mut node = graph.add_node(ConflictNode::Root);
        conflict.root_node = node;
        for record in 0..length {
            let next = graph.add_node(ConflictNode::Solvable(SolvableId::from_index(record)));
            let requirement = provider.requirement(&format!("p{record}"), &[record]).requirement;
            graph.add_edge(node, next, ConflictEdge::Requires(requirement));
            node = next;
        }
        let nothing = graph.add_node(ConflictNode::UnresolvedDependency);
        let requirement = provider.requirement("nothing", &[]).requirement;
        graph.add_edge(node, nothing, ConflictEdge::Requires(requirement));
        explain(&conflict, &chain, &provider)
    }

    #[test]
    fn a_chain_is_told_to_its_end_or_to_where_nobody_reads_on() {
        let end = "  p0\n  p0 1 depends on p1\n  p1 1 depends on nothing, which nothing satisfies";
        assert_eq!(told(2), end);
        let long = told(200_000);
        assert_eq!(long.lines().count(), super::MOST_LINES + 1);
        assert!(long.ends_with("\n  p38 1 depends on p39\n  ..."), "{long}");
    }
}
