//! `tools.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;

use jiff::civil::Date;
use lock::debian::{Pocket, Request, Wanted};
use serde::Deserialize;
use toml::Spanned;

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
    pockets: Vec<Spanned<String>>,
    pub(super) architectures: Vec<String>,
    every: Vec<Spanned<String>>,
    groups: BTreeMap<Group, Packages>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packages {
    install: Vec<Spanned<String>>,
    suite: Option<String>,
    pockets: Option<Vec<Spanned<String>>>,
}

/// What no archive can be asked.
pub(super) struct Mistake {
    message: String,
    /// The bytes of the file that are meant; none when something is missing.
    span: Option<Range<usize>>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Mistake {
    /// The message with the line, where there is one.
    fn placed(&self, text: &str) -> String {
        let before = self.span.as_ref().and_then(|span| text.get(..span.start));
        match before {
            Some(before) => format!("line {}: {self}", before.matches('\n').count() + 1),
            None => self.to_string(),
        }
    }
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
                let mistake = |mistake: Mistake| wrong(mistake.placed(&text));
                definition.request(group, architecture).map_err(mistake)?;
            }
        }
        Ok(definition)
    }

    /// What a group asks of the archive.
    pub(super) fn request(&self, group: Group, architecture: &str) -> Result<Request, Mistake> {
        let missing = || Mistake { message: format!("no group `{group}`"), span: None };
        let packages = self.groups.get(&group).ok_or_else(missing)?;
        let mistake = |at: &Spanned<String>, why: &dyn fmt::Display| Mistake {
            message: format!("group `{group}`: {why}"),
            span: Some(at.span()),
        };
        let wanted = |name: &Spanned<String>| {
            name.get_ref().parse::<Wanted>().map_err(|error| mistake(name, &error))
        };
        let install = self.every.iter().chain(&packages.install).map(wanted);
        let install = install.collect::<Result<Vec<_>, _>>()?;
        let suite = packages.suite.as_ref().unwrap_or(&self.suite);
        let pockets = packages.pockets.as_ref().unwrap_or(&self.pockets);
        let pockets: Vec<Pocket> = pockets
            .iter()
            .map(|pocket| pocket.get_ref().parse().map_err(|error: String| mistake(pocket, &error)))
            .collect::<Result<_, _>>()?;
        let mut request = Request::new(suite, architecture, self.date).closure(install);
        request.pockets = pockets;
        Ok(request)
    }
}
