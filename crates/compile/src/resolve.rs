//! Which of the locked crates a program really needs on its target: the host's cargo knows.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::Target;
use crate::closure::Closure;
use crate::error::{Error, Result};
use crate::locked::Locked;

/// The crates that the program is compiled from on `target`, all of them fetched afterwards.
pub(crate) fn needed(closure: &Closure, target: Target, offline: bool) -> Result<BTreeSet<Locked>> {
    // Without a look at the network first: mostly everything is there.
    let metadata = match metadata(closure, target, true) {
        Err(_) if !offline => metadata(closure, target, false),
        answer => answer,
    };
    let metadata = metadata
        .map_err(|source| Error::Resolve { package: closure.package().to_owned(), source })?;
    let reached = reached(&metadata, closure.package());
    let is_reached = |it: &&Locked| reached.contains(&(it.name.clone(), it.version.clone()));
    Ok(closure.locked().iter().filter(is_reached).cloned().collect())
}

fn metadata(
    closure: &Closure,
    target: Target,
    offline: bool,
) -> std::result::Result<Metadata, cargo_metadata::Error> {
    let mut options = vec!["--locked".to_owned(), "--filter-platform".into()];
    options.push(target.triple().into());
    if offline {
        options.push("--offline".into());
    }
    MetadataCommand::new()
        .manifest_path(closure.workspace().join("Cargo.toml"))
        .current_dir(closure.workspace())
        .other_options(options)
        .exec()
}

/// Names and versions of the packages that `package` is compiled from, those of its tests aside.
fn reached(metadata: &Metadata, package: &str) -> BTreeSet<(String, String)> {
    let packages: BTreeMap<&PackageId, _> =
        metadata.packages.iter().map(|it| (&it.id, it)).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: BTreeMap<&PackageId, _> = nodes.map(|node| (&node.id, node)).collect();
    let is_it = |id: &&PackageId| packages.get(*id).is_some_and(|it| it.name.as_str() == package);
    let mut open: Vec<&PackageId> = metadata.workspace_members.iter().filter(is_it).collect();
    let mut seen = BTreeSet::new();
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        if let Some(found) = packages.get(id) {
            reached.insert((found.name.to_string(), found.version.to_string()));
        }
        let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        open.extend(dependencies.filter_map(|dependency| {
            let mut kinds = dependency.dep_kinds.iter();
            kinds.any(|kind| kind.kind != DependencyKind::Development).then_some(&dependency.pkg)
        }));
    }
    reached
}
