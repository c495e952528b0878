//! `tools.lock`: one lock for each group and architecture, in tables such as `[image-amd64]`.

use std::collections::BTreeMap;
use std::path::Path;

use lock::{Diff, Lock, Request, read_groups, write_groups};

use super::definition::Definition;
use crate::error::{Error, Result};
use crate::program::Group;

#[derive(Debug)]
pub(super) struct ToolsLock {
    locks: BTreeMap<String, Lock>,
}

/// A group that was resolved.
#[derive(Clone, Debug)]
pub struct LockedGroup {
    /// The group.
    pub group: Group,
    /// Debian's name of the architecture of the machines that it is for.
    pub architecture: String,
    /// What it is now.
    pub lock: Lock,
    /// How it differs from what it was.
    pub diff: Diff,
}

impl ToolsLock {
    pub(super) fn read(path: &Path) -> Result<Self> {
        Ok(Self { locks: read_groups(path)? })
    }

    /// Checks that each group is what `definition` asks for now.
    pub(super) fn check(
        &self,
        definition: &Definition,
        architecture: &str,
        path: &Path,
    ) -> Result<()> {
        for group in Group::ALL {
            let request = definition.request(group, architecture);
            let asked = request.map_err(|mistake| Error::ToolsFile {
                path: path.into(),
                message: mistake.to_string(),
            })?;
            if self.group(architecture, group)?.request != asked.digest() {
                return Err(Error::StaleToolsLock { group, path: path.into() });
            }
        }
        Ok(())
    }

    pub(super) fn group(&self, architecture: &str, group: Group) -> Result<&Lock> {
        self.locks
            .get(&table(group, architecture))
            .ok_or_else(|| Error::NoTools { group, architecture: architecture.into() })
    }
}

/// Resolves the groups of `tools.toml` in the workspace at `workspace` and writes `tools.lock`. A
/// group that is locked as it is asked for stays: a day's archive has one answer, and mirrors may
/// have gone on to a later day.
///
/// `resolve` makes a lock of what is asked for and the lock that there is; it is told the group's
/// name, for people.
pub fn lock_tools<E: From<Error>>(
    workspace: &Path,
    resolve: impl Fn(&str, Request, Option<&Lock>) -> Result<Lock, E>,
) -> Result<Vec<LockedGroup>, E> {
    let source = workspace.join("tools.toml");
    let definition = Definition::read(&source)?;
    let path = workspace.join("tools.lock");
    let previous =
        if path.exists() { read_groups(&path).map_err(Error::from)? } else { BTreeMap::new() };
    let mut locked = Vec::new();
    for architecture in &definition.architectures {
        for group in Group::ALL {
            let request = definition.request(group, architecture).map_err(|mistake| {
                Error::ToolsFile { path: source.clone(), message: mistake.to_string() }
            })?;
            let before = previous.get(&table(group, architecture));
            let lock = match before {
                Some(before) if before.request == request.digest() => before.clone(),
                _ => resolve(&format!("tools `{group}`"), Request::Debian(request), before)?,
            };
            let diff = Diff::between(before, &lock);
            locked.push(LockedGroup { group, architecture: architecture.clone(), lock, diff });
        }
    }
    let locks =
        locked.iter().map(|one| (table(one.group, &one.architecture), one.lock.clone())).collect();
    write_groups(&path, &locks, "lock --tools", "tools.toml").map_err(Error::from)?;
    Ok(locked)
}

fn table(group: Group, architecture: &str) -> String {
    format!("{group}-{architecture}")
}
