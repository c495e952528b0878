//! What became of trials: a file in the server's state.
//!
//! ```text
//! /var/lib/heirloom/trials.json
//! {"trials":[{"number":7,"generation":"sha256:...","state":"failed","boots":1,
//!             "reason":"...","failed":1795681200,"lines":["..."]}]}
//! ```
//!
//! The latest comes last. It is replaced by rename; one that cannot be read is begun anew, for
//! what it says is told to people and decides nothing that the bootloader does not say as well.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use digest::Digest;
use serde::{Deserialize, Serialize};
use transfer::report::TrialState;

use crate::{Error, Result};

/// So many trials are remembered.
const REMEMBERED: usize = 32;

/// Lines of a report that are kept of each, and bytes of a line.
const LINES: usize = 40;
const LINE: usize = 400;

/// On which terms a generation is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// See [`Trial::token`].
    pub token: Option<String>,
    /// See [`Trial::failed_before`].
    pub failed_before: Vec<String>,
}

/// A trial, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The number of its generation.
    pub number: u64,
    /// The generation.
    pub generation: Digest,
    /// How far it is.
    pub state: TrialState,
    /// How often it was started: a clean reboot is no failure, and starts it again.
    #[serde(default)]
    pub boots: u32,
    /// Which boot it was started by last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// What whoever began it has to hand over before it can be confirmed; none when the server's
    /// own health decides, or it was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Units that had failed in what ran when it was armed: that they fail in it too is no reason
    /// to go back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_before: Vec<String>,
    /// Why it failed, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When that was known, in seconds since 1970 by this server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// More of what is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

impl Trial {
    /// A trial that begins with the next boot.
    pub fn armed(number: u64, generation: Digest) -> Self {
        let state = TrialState::Armed;
        Self {
            number,
            generation,
            state,
            boots: 0,
            boot: None,
            token: None,
            failed_before: Vec::new(),
            reason: None,
            failed: None,
            lines: Vec::new(),
        }
    }

    /// Whether it is not decided.
    pub fn is_open(&self) -> bool {
        matches!(self.state, TrialState::Armed | TrialState::Running)
    }

    /// Decides it: it failed.
    pub fn fail(&mut self, reason: impl Into<String>, lines: Vec<String>) {
        self.state = TrialState::Failed;
        self.reason = Some(reason.into());
        // A clock before 1970 knows nothing.
        self.failed = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|now| now.as_secs());
        let shortened = lines.into_iter().take(LINES);
        self.lines = shortened.map(|line| line.chars().take(LINE).collect()).collect();
    }
}

/// The file.
#[derive(Clone, Debug)]
pub struct Trials {
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    trials: Vec<Trial>,
}

impl Trials {
    /// The name of the file.
    pub const NAME: &str = "trials.json";

    /// The trials that such a file has, the latest last; none where it is damaged.
    pub fn parse(bytes: &[u8]) -> Vec<Trial> {
        serde_json::from_slice::<Document>(bytes).unwrap_or_default().trials
    }

    /// The file in the agent's state directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self { path: directory.join(Self::NAME) }
    }

    /// All that are remembered, the latest last.
    pub fn all(&self) -> Vec<Trial> {
        fs::read(&self.path).map(|bytes| Self::parse(&bytes)).unwrap_or_default()
    }

    /// The latest.
    pub fn last(&self) -> Option<Trial> {
        self.all().pop()
    }

    /// Remembers a trial: in the place of the latest, if that is an open one of the same
    /// generation, or one of another that was armed and never began.
    pub fn put(&self, trial: Trial) -> Result<()> {
        let mut trials = self.all();
        let replaced = |last: &Trial| {
            let never_began = last.state == TrialState::Armed && last.boots == 0;
            last.is_open() && (never_began || last.generation == trial.generation)
        };
        if trials.last().is_some_and(replaced) {
            trials.pop();
        }
        trials.push(trial);
        self.write(trials)
    }

    /// Changes the latest.
    pub fn change_last(&self, change: impl FnOnce(&mut Trial)) -> Result<()> {
        let mut trials = self.all();
        if let Some(last) = trials.last_mut() {
            change(last);
        }
        self.write(trials)
    }

    fn write(&self, mut trials: Vec<Trial>) -> Result<()> {
        trials.drain(..trials.len().saturating_sub(REMEMBERED));
        let bytes = serde_json::to_vec(&Document { trials }).map_err(io::Error::from);
        let bytes = bytes.map_err(Error::io("write", &self.path))?;
        let new = self.path.with_extension("new");
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()
        });
        written.map_err(Error::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_armed_instead_leaves_no_trial_that_waits_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let trials = Trials::in_directory(directory.path());
        let (one, two) = (Digest::of("1"), Digest::of("2"));
        trials.put(Trial::armed(1, one)).unwrap();
        trials.put(Trial::armed(2, two)).unwrap();
        assert_eq!(trials.all(), [Trial::armed(2, two)]);
        let failed = |trial: &mut Trial| trial.fail("why", Vec::new());
        trials.change_last(failed).unwrap();
        trials.put(Trial::armed(1, one)).unwrap();
        assert_eq!(trials.all().len(), 2, "one that has an end is kept");
    }

    #[test]
    fn a_damaged_file_is_begun_anew_and_the_latest_comes_last() {
        let directory = tempfile::tempdir().unwrap();
        let trials = Trials::in_directory(directory.path());
        assert_eq!(trials.last(), None);
        fs::write(directory.path().join("trials.json"), "{\"trials\":[{").unwrap();
        let (one, two) = (Digest::of("1"), Digest::of("2"));
        trials.put(Trial::armed(1, one)).unwrap();
        trials.put(Trial { boots: 1, state: TrialState::Running, ..Trial::armed(1, one) }).unwrap();
        trials.put(Trial::armed(2, two)).unwrap();
        let all = trials.all();
        assert_eq!(
            all.iter().map(|it| (it.number, it.boots)).collect::<Vec<_>>(),
            [(1, 1), (2, 0)]
        );
        trials.change_last(|last| last.fail("why", vec!["x".repeat(1000); 1000])).unwrap();
        let last = trials.last().unwrap();
        assert_eq!((last.lines.len(), last.lines[0].len()), (LINES, LINE));
        for number in 0..100 {
            let generation = Digest::of(number.to_string());
            let state = TrialState::Confirmed;
            trials.put(Trial { state, ..Trial::armed(number, generation) }).unwrap();
        }
        assert_eq!(trials.all().len(), REMEMBERED);
    }
}
