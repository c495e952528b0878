//! Which of the locked packages programs really need on their target: the host's cargo knows.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::Target;
use crate::closure::Closure;
use crate::error::{Error, Result};
use crate::locked::Locked;

/// The packages that each package is compiled with, by its name and version.
type Reached = BTreeMap<(String, String), BTreeSet<String>>;

/// What programs are compiled from on a target besides members of the workspace, each with the
/// names of the packages that it needs there.
pub(crate) struct Needed {
    pub(crate) crates: BTreeMap<Locked, BTreeSet<String>>,
    /// By name.
    pub(crate) git: BTreeMap<String, BTreeSet<String>>,
}

/// What the programs are compiled from on `target`, all of it fetched afterwards.
pub(crate) fn needed(closure: &Closure, target: Target, offline: bool) -> Result<Needed> {
    // Without a look at the network first: mostly everything is there.
    let metadata = match metadata(closure, target, true) {
        Err(_) if !offline => metadata(closure, target, false),
        answer => answer,
    };
    let metadata =
        metadata.map_err(|source| Error::Resolve { package: closure.names(), source })?;
    let mut reached = reached(&metadata, &closure.packages().collect::<Vec<_>>());
    let mut needs = |name: &str, version: &str| reached.remove(&(name.into(), version.into()));
    let from_git = closure.members().filter_map(|member| member.git.as_ref());
    let git = from_git.filter_map(|it| Some((it.name.clone(), needs(&it.name, &it.version)?)));
    let git = git.collect();
    let crates = closure.locked().iter();
    let crates = crates.filter_map(|it| Some((it.clone(), needs(&it.name, &it.version)?)));
    Ok(Needed { crates: crates.collect(), git })
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

/// The packages that `wanted` are compiled from, what only tests need aside.
fn reached(metadata: &Metadata, wanted: &[&str]) -> Reached {
    let packages: BTreeMap<&PackageId, _> =
        metadata.packages.iter().map(|it| (&it.id, it)).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: BTreeMap<&PackageId, _> = nodes.map(|node| (&node.id, node)).collect();
    let is_it =
        |id: &&PackageId| packages.get(*id).is_some_and(|it| wanted.contains(&it.name.as_str()));
    let mut open: Vec<&PackageId> = metadata.workspace_members.iter().filter(is_it).collect();
    let mut seen = BTreeSet::new();
    let mut reached = Reached::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        let needed: Vec<&PackageId> = dependencies
            .filter(|it| it.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development))
            .map(|it| &it.pkg)
            .collect();
        if let Some(found) = packages.get(id) {
            let names = needed.iter().filter_map(|id| Some(packages.get(*id)?.name.to_string()));
            reached.insert((found.name.to_string(), found.version.to_string()), names.collect());
        }
        open.extend(needed);
    }
    reached
}
