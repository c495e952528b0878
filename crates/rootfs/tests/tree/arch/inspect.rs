//! What pacman says of a finished tree.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use sandbox::{Command, Job, JobFailure, Program};
use serde::{Deserialize, Serialize};

/// Extracts a tree's archive by a reader that is not ours, and asks pacman what is installed and
/// whether all of its files are there.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) tar: PathBuf,
    pub(crate) tools: PathBuf,
}

impl Job for Ask {
    const NAME: &'static str = "ask pacman";
    type Output = [String; 2];

    fn run(self) -> Result<Self::Output, JobFailure> {
        let scratch = sandbox::scratch(self.tar.metadata()?.len())?;
        let mut archive = tar::Archive::new(BufReader::new(File::open(&self.tar)?));
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(true);
        archive.unpack(scratch.path())?;
        let ask = |option: &str| -> Result<String, JobFailure> {
            let command = Command::new(&self.tools, Program::Pacman.path())
                .tree(scratch.path(), "/tree")
                .args(["--root", "/tree", "--dbpath", "/tree/var/lib/pacman", "--query"])
                .args(["--config", "/dev/null"])
                .args(option.split_whitespace());
            Ok(command.run()?.text())
        };
        Ok([ask("")?, ask("--check")?])
    }
}
