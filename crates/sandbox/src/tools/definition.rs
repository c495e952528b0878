//! `tools.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use archive::debian::{Pocket, Request, Wanted};
use jiff::civil::Date;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::program::Group;

/// What `tools.toml` says.
///
/// ```toml
/// date = "2026-11-22"             # the day of the archive
/// suite = "bookworm"              # where a group says nothing else
/// pockets = ["backports"]         # of updates, security, backports
/// architectures = ["amd64"]       # of the machines that build
/// every = ["dash", "coreutils"]   # in every group
///
/// [groups.image]                  # one table for each group
/// install = ["mtools", "e2fsprogs/bookworm-backports"]
/// ```
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    date: Date,
    suite: String,
    pockets: Vec<String>,
    pub(super) architectures: Vec<String>,
    every: Vec<String>,
    groups: BTreeMap<Group, Packages>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packages {
    install: Vec<String>,
    suite: Option<String>,
    pockets: Option<Vec<String>>,
}

impl Definition {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { what: "read", path: path.into(), source };
        let text = fs::read_to_string(path).map_err(io)?;
        let wrong = |message: String| Error::ToolsFile { path: path.into(), message };
        let definition: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        for group in Group::ALL {
            if !definition.groups.contains_key(&group) {
                return Err(wrong(format!("there is no group `{group}`")));
            }
            for architecture in &definition.architectures {
                definition.request(group, architecture).map_err(wrong)?;
            }
        }
        Ok(definition)
    }

    /// What a group asks of the archive.
    pub(super) fn request(&self, group: Group, architecture: &str) -> Result<Request, String> {
        let packages = self.groups.get(&group).ok_or_else(|| format!("no group `{group}`"))?;
        let wanted = |name: &String| {
            name.parse::<Wanted>().map_err(|error| format!("group `{group}`: {error}"))
        };
        let install = self.every.iter().chain(&packages.install).map(wanted);
        let install = install.collect::<Result<Vec<_>, _>>()?;
        let suite = packages.suite.as_ref().unwrap_or(&self.suite);
        let pockets = packages.pockets.as_ref().unwrap_or(&self.pockets);
        let pockets: Vec<Pocket> = pockets
            .iter()
            .map(|pocket| pocket.parse().map_err(|error| format!("group `{group}`: {error}")))
            .collect::<Result<_, _>>()?;
        let mut request = Request::new(suite, architecture, self.date).closure(install);
        request.pockets = pockets;
        Ok(request)
    }
}
