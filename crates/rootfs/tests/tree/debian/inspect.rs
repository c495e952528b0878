//! A look at a finished tree from inside.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use sandbox::{Job, JobFailure, RootCommand};
use serde::{Deserialize, Serialize};

/// Extracts a tree's archive by a reader that is not ours, and asks programs of the tree about it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Inspect {
    pub(crate) tar: PathBuf,
    /// Programs with their arguments.
    pub(crate) commands: Vec<String>,
}

impl Job for Inspect {
    const NAME: &'static str = "inspect";
    type Output = Vec<(String, String)>;

    fn run(self) -> Result<Self::Output, JobFailure> {
        let scratch = sandbox::scratch(self.tar.metadata()?.len())?;
        let mut archive = tar::Archive::new(BufReader::new(File::open(&self.tar)?));
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(true);
        archive.unpack(scratch.path())?;
        let mut answers = Vec::new();
        for line in self.commands {
            let mut words = line.split_whitespace();
            let program = words.next().unwrap_or_default();
            let output = RootCommand::new(scratch.path(), program).args(words).run()?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            answers.push((line, said));
        }
        Ok(answers)
    }
}

/// Does nothing, where that is possible.
#[derive(Serialize, Deserialize)]
pub(crate) struct Nothing;

impl Job for Nothing {
    const NAME: &'static str = "nothing";
    type Output = ();

    fn run(self) -> Result<(), JobFailure> {
        Ok(())
    }
}

/// Whether this user has ids to give away.
pub(crate) fn are_jobs_possible() -> bool {
    sandbox::in_namespace(&Nothing).is_ok()
}
