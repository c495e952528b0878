//! What `cargo xtask list` says about a server.

use jiff::civil::Date;
use serde::Serialize;

use crate::{Distribution, DistributionName, Error, Workspace};

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The server.
    pub name: String,
    /// Its distribution.
    pub distribution: DistributionName,
    /// The release of the distribution, where it has releases.
    pub suite: Option<String>,
    /// The day of the archive.
    pub date: Date,
    /// What it runs on.
    pub board: String,
    /// See [`Server::definition_bytes`](crate::Server::definition_bytes).
    pub definition_bytes: u64,
    /// Whether it has a lock.
    pub locked: bool,
}

impl Workspace {
    /// All servers, sorted by name. One that cannot be composed hides none of the others.
    pub fn summaries(&self) -> Vec<(&str, Result<Summary, Error>)> {
        self.servers().into_iter().map(|name| (name, self.summary(name))).collect()
    }

    fn summary(&self, name: &str) -> Result<Summary, Error> {
        let server = self.server(name)?;
        let suite = match &server.archive.distribution {
            Distribution::Debian(debian) => Some(debian.suite.to_string()),
            Distribution::Arch(_) => None,
        };
        Ok(Summary {
            name: server.name.to_string(),
            distribution: server.archive.distribution.name(),
            suite,
            date: server.archive.date,
            board: server.board.name.to_string(),
            definition_bytes: server.definition_bytes,
            locked: server.lock_path().is_file(),
        })
    }
}
