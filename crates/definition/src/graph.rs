//! The packages of a workspace and their local dependencies, as Cargo sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata};

/// A package that lies on this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
    /// The directory of its Cargo.toml.
    pub(crate) dir: PathBuf,
    /// The directories of the packages that it depends on by path.
    pub(crate) depends: BTreeSet<PathBuf>,
}

/// The local packages, by directory. Ordinary dependencies count: those of tests, examples and
/// build scripts say nothing about what a server is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    nodes: BTreeMap<PathBuf, Node>,
    /// Whether a dependency leads to a package that the graph does not hold.
    open: bool,
}

impl Graph {
    /// The graph that `cargo metadata` described, with or without `--no-deps`.
    pub(crate) fn new(metadata: &Metadata) -> Self {
        let mut nodes = BTreeMap::new();
        let mut from_git = false;
        let with_dependencies = metadata.resolve.is_some();
        let dirs: BTreeMap<_, PathBuf> = metadata
            .packages
            .iter()
            .filter_map(|package| {
                let dir = package.manifest_path.parent()?;
                Some((package.id.clone(), dir.as_std_path().to_owned()))
            })
            .collect();
        for package in &metadata.packages {
            let Some(dir) = dirs.get(&package.id) else { continue };
            let ordinary =
                || package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
            let is_git = |source: &cargo_metadata::Source| source.repr.starts_with("git+");
            from_git |= ordinary().any(|d| d.source.as_ref().is_some_and(is_git));
            let depends = ordinary()
                .filter_map(|dependency| dependency.path.as_ref())
                .map(|path| path.as_std_path().to_owned())
                .collect();
            let node = Node { name: package.name.to_string(), dir: dir.clone(), depends };
            nodes.insert(dir.clone(), node);
        }
        if let Some(resolve) = &metadata.resolve {
            // Roles that come from git have no path in the manifest, only in the resolution.
            for resolved in &resolve.nodes {
                let Some(dir) = dirs.get(&resolved.id) else { continue };
                let ordinary = resolved.deps.iter().filter(|dependency| {
                    dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
                });
                let depends: Vec<_> =
                    ordinary.filter_map(|dependency| dirs.get(&dependency.pkg).cloned()).collect();
                if let Some(node) = nodes.get_mut(dir) {
                    node.depends.extend(depends);
                }
            }
        }
        let leads_out = |node: &Node| node.depends.iter().any(|dir| !nodes.contains_key(dir));
        let open = !with_dependencies && (from_git || nodes.values().any(leads_out));
        Self { nodes, open }
    }

    /// Whether a dependency leads to a package that `--no-deps` left out.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// All packages, by directory.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The packages that `node` depends on, through any number of others, without itself.
    pub(crate) fn reached(&self, node: &Node) -> Vec<&Node> {
        let mut seen = BTreeSet::from([&node.dir]);
        let mut open = vec![node];
        let mut reached = Vec::new();
        while let Some(node) = open.pop() {
            for next in node.depends.iter().filter_map(|dir| self.nodes.get(dir)) {
                if seen.insert(&next.dir) {
                    reached.push(next);
                    open.push(next);
                }
            }
        }
        reached.sort_by(|a, b| a.dir.cmp(&b.dir));
        reached
    }
}
