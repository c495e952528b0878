//! What a server went through, and where in the log of its writes.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};
use digest::Digest;
use generation::cmdline::{Boot, Data};
use serde::{Deserialize, Serialize};

/// A recorded server. With the image and the log it can be judged again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Whether it was started by UEFI.
    pub(crate) uefi: bool,
    /// Bytes of the disk.
    pub(crate) size: u64,
    /// The UUID of its data partition.
    pub(crate) data: String,
    /// Every generation that it ever had, by its number.
    pub(crate) generations: BTreeMap<u64, Known>,
    /// What was done to it, one after the other.
    pub(crate) steps: Vec<Step>,
    /// What it had to start, one after the other.
    pub(crate) phases: Vec<Phase>,
    /// Files of state that nothing may change: their paths on the data partition, and their text.
    pub(crate) state: BTreeMap<String, String>,
}

/// What is known of a generation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) generation: Digest,
    pub(crate) kernel: Digest,
    pub(crate) initramfs: Digest,
    /// The command line of its config.
    pub(crate) base: String,
}

/// Something that was done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// The entry of the log before which nothing of it is.
    pub(crate) begin: u64,
    /// The entry before which it had said to be done.
    pub(crate) end: u64,
}

/// A time in which a server starts one thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Phase {
    /// Before this entry of the log nothing has led to it.
    pub(crate) begin: u64,
    /// At this entry it had been reached.
    pub(crate) reached: u64,
    pub(crate) starts: Starts,
}

/// What is started at the next boots: generations, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Starts {
    /// At the next one alone, on trial.
    pub(crate) armed: Option<u64>,
    /// At all others.
    pub(crate) default: u64,
}

impl Record {
    /// What may be started where all before entry `durable` of the log is on the disk, and nothing
    /// from entry `last` on.
    pub(crate) fn allowed(&self, durable: u64, last: u64) -> Vec<Starts> {
        let left = self.phases.iter().skip(1).map(|next| next.reached).chain([u64::MAX]);
        let phases = self.phases.iter().zip(left);
        let possible = phases.filter(|(phase, left)| last > phase.begin && durable < *left);
        possible.map(|(phase, _)| phase.starts).collect()
    }

    /// The command line of a generation.
    pub(crate) fn cmdline(&self, number: u64, trial: bool) -> Result<String> {
        let known = self.generations.get(&number).context("there is no such generation")?;
        let data = Data::Ext4(self.data.clone());
        Ok(Boot { generation: known.generation, data, trial }.cmdline(&known.base))
    }

    /// The number of a generation.
    pub(crate) fn number(&self, generation: Digest) -> Option<u64> {
        let mut all = self.generations.iter();
        all.find(|(_, known)| known.generation == generation).map(|(number, _)| *number)
    }
}

impl fmt::Display for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.armed {
            Some(number) => write!(f, "{number} on trial, then {}", self.default),
            None => write!(f, "{}", self.default),
        }
    }
}
