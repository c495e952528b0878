//! What the agent's commands print with `--json`.

use digest::Digest;
use serde::{Deserialize, Serialize};

/// `heirloom status --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The server's name in its workspace.
    pub server: String,
    /// Its board.
    pub board: String,
    /// The number of the generation that is running; none on a medium without numbers.
    pub booted: Option<u64>,
    /// The generation that is running.
    pub generation: Digest,
    /// The number of the generation that boots by itself.
    pub default: Option<u64>,
    /// The last trial, whatever became of it.
    pub trial: Option<Trial>,
    /// What the health check last said; none before it ran.
    pub health: Option<Health>,
    /// What the image has where older state is mounted over it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<Hidden>,
    /// What was found damaged, a line each.
    #[serde(default)]
    pub corrupted: Vec<String>,
    /// What there is to say of its disk.
    #[serde(default, skip_serializing_if = "Disk::is_well")]
    pub disk: Disk,
    /// The memory that takes all writes to the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Whether its trials can wait for [`Trial::token`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub acknowledges: bool,
    /// Seconds since the kernel started.
    pub uptime: u64,
}

/// What there is to say of a server's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The mirror of two disks that it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// The last check of the data filesystem, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<DiskCheck>,
    /// What the server goes without, a line each: it is not healthy then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// What else was found, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A data partition that is mirrored on two disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// The disks that have all data, as the kernel names them.
    pub whole: Vec<String>,
    /// The disks that are being rebuilt, or wait for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rebuilt: Vec<String>,
    /// The disks that the kernel has given up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// How many disks it should have.
    pub wanted: usize,
    /// How many of a hundred parts are rebuilt, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u64>,
}

impl Mirror {
    /// Whether every disk of it has all data.
    pub fn is_complete(&self) -> bool {
        self.whole.len() >= self.wanted
    }
}

/// The memory that takes all writes to a server's root, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// How much can be written there.
    pub size: u64,
    /// How much of that is left.
    pub free: u64,
}

/// A check of the data filesystem before it was mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskCheck {
    /// Whether it was at the boot that is running.
    pub now: bool,
    /// Why it was done.
    pub asked: String,
    /// What came of it.
    pub outcome: String,
    /// How long it took.
    pub seconds: u64,
    /// The beginning of what e2fsck said.
    #[serde(default)]
    pub lines: Vec<String>,
    /// How many lines more there were.
    #[serde(default)]
    pub more: u64,
}

impl Disk {
    /// Whether there is nothing to say.
    pub fn is_well(&self) -> bool {
        *self == Self::default()
    }
}

/// Content of the image that state hides: the state was there before the content was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// The directory on the server.
    pub path: String,
    /// The names in it that only the image has, sorted.
    pub names: Vec<String>,
}

/// A generation that was given one boot to prove itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number.
    pub number: u64,
    /// Its digest.
    pub generation: Digest,
    /// How far it is.
    pub state: TrialState,
    /// Why it failed, in one line.
    #[serde(default)]
    pub reason: Option<String>,
    /// More of what is known, as the health check or the console had it.
    #[serde(default)]
    pub lines: Vec<String>,
    /// What whoever began it has to hand over once it has logged in anew (`heirloom acknowledge`);
    /// none where nothing waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialState {
    /// The next boot is its trial.
    Armed,
    /// It is running, and not yet decided.
    Running,
    /// It was healthy, and is the default now.
    Confirmed,
    /// It was not.
    Failed,
}

/// What the health check said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its verdict.
    pub healthy: bool,
    /// Whether there is none yet: units are still being started.
    #[serde(default)]
    pub starting: bool,
    /// What it printed.
    #[serde(default)]
    pub lines: Vec<String>,
}

/// `heirloom list --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The generations on the server, by number.
    pub generations: Vec<GenerationReport>,
    /// Free bytes of the data partition.
    pub free_data: u64,
    /// Free bytes of the boot partition.
    pub free_boot: u64,
}

/// One generation on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationReport {
    /// In the order of arrival, from 1; never given twice.
    pub number: u64,
    /// Its digest.
    pub generation: Digest,
    /// Bytes of all its blobs, shared ones too.
    pub size: u64,
    /// Whether it boots by itself.
    pub default: bool,
    /// Whether it is running.
    pub booted: bool,
    /// Whether it was the default before the present one.
    pub previous: bool,
    /// Whether its owner said to keep it.
    pub pinned: bool,
    /// Whether the next boot is its trial, or this one is.
    pub trial: bool,
    /// The commit that it was built from.
    #[serde(default)]
    pub commit: Option<String>,
    /// Whether there were changes that no commit has.
    #[serde(default)]
    pub uncommitted: bool,
    /// Who built it: `user@host`.
    #[serde(default)]
    pub built_by: Option<String>,
    /// When it came to the server, RFC 3339.
    #[serde(default)]
    pub staged: Option<String>,
    /// What became of its last trial, in one line.
    #[serde(default)]
    pub outcome: Option<String>,
}

/// `heirloom switch N --json` and `heirloom rollback --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// The generation that the next boot tries.
    pub number: u64,
    /// Whether the server is on its way to that boot.
    pub rebooting: bool,
}

/// A generation that is on the server now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// Its number.
    pub number: u64,
    /// Its digest.
    pub generation: Digest,
    /// Whether it was there before.
    pub already: bool,
    /// Generations that were removed to make room.
    #[serde(default)]
    pub removed: Vec<u64>,
    /// What its last trial came to, if the server fell back from it.
    #[serde(default)]
    pub failed: Option<Failure>,
}

/// A trial from which a server fell back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When that was known, in seconds since 1970 as the server's clock had it.
    pub at: Option<u64>,
    /// Why, in one line.
    pub reason: String,
}
