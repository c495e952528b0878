//! The config blob of a generation: what `init` and the agent have to know.

use digest::Digest;
use serde::{Deserialize, Serialize};

/// Media type of the config blob.
pub const MEDIA_TYPE: &str = "application/vnd.heirloom.generation.config.v1+json";

/// What is the same on every server that runs this generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server's name in the workspace.
    pub server: String,
    /// Its host name.
    pub hostname: String,
    /// The board it was made for.
    pub board: String,
    /// `debian` or `arch`.
    pub distribution: String,
    /// The distribution's name of the architecture.
    pub architecture: String,
    /// The kernel's command line, without what the boot entry adds.
    pub cmdline: String,
    /// sha256 of the lock that it was built from.
    pub lock: Digest,
    /// `SOURCE_DATE_EPOCH`, in seconds.
    pub epoch: u64,
    /// Seconds after which a generation on trial that is not healthy has failed.
    pub health_within: u64,
    /// What outlives a reboot, sorted by path.
    pub state: Vec<State>,
}

/// One path that outlives a reboot. Owner, mode and kind (directory or file) of what is made at
/// the first boot are those of the path in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The runtime path: absolute, no `..`.
    pub path: String,
    /// Where it is kept, relative to `/state` on the data partition.
    pub at: String,
}
