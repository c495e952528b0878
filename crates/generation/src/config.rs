//! The config blob of a generation: what `init` and the agent have to know.

use std::path::{Component, Path};

use digest::Digest;
use serde::{Deserialize, Serialize};

use crate::manifest::Descriptor;
use crate::{Error, Result, cmdline, text};

/// Media type of the config blob.
pub const MEDIA_TYPE: &str = "application/vnd.heirloom.generation.config.v1+json";

/// The longest config that is read, in bytes.
pub const MAX_SIZE: u64 = 256 * 1024;

/// The longest command line in a config, in bytes. Kernels take 2,048 with the zero at the end
/// (x86 and arm64, COMMAND_LINE_SIZE); the boot entry of a trial adds less than 300, bootloaders
/// the names of their files, and some is left for a person.
pub const MAX_CMDLINE: usize = 1536;

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
    /// Seconds after which a generation on trial that is not healthy has failed; 1 to 86,400.
    pub health_within: u64,
    /// What outlives a reboot, sorted by path.
    pub state: Vec<State>,
}

/// One path that outlives a reboot. What is made at the first boot is a copy of what the image has
/// at the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The runtime path: absolute, no `.` or `..`, no slash at the end.
    pub path: String,
    /// Where it is kept, relative to `/state` on the data partition; no two overlap.
    pub at: String,
    /// Whether it begins with the image's content; else it begins empty, with owner, mode and kind
    /// (directory or file) of the path in the image.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub seed: bool,
    /// What its mount allows besides, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<StateOption>,
}

/// What a place of state is mounted with, besides what every other is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateOption {
    /// Devices there are devices.
    Dev,
    /// Programs there may be run, as in all state.
    Exec,
    /// Set-id bits and capabilities count.
    Suid,
}

impl State {
    /// State that begins as the image has it, mounted as state is.
    pub fn new(path: impl Into<String>, at: impl Into<String>) -> Self {
        Self { path: path.into(), at: at.into(), seed: true, options: Vec::new() }
    }
}

fn yes() -> bool {
    true
}

fn is_yes(seed: &bool) -> bool {
    *seed
}

impl Config {
    /// Reads and checks the bytes of a config, which may be anyone's.
    ///
    /// # Errors
    /// Bytes that are not the canonical form of a config, or values that none can have.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let config: Self = text::parse_canonical("config", bytes, MAX_SIZE)?;
        config.check()?;
        Ok(config)
    }

    /// Checks every value, and that the state is sorted by path.
    pub fn check(&self) -> Result<()> {
        text::check_name("server", &self.server)?;
        text::check_name("hostname", &self.hostname)?;
        text::check_name("board", &self.board)?;
        text::check_name("distribution", &self.distribution)?;
        text::check_name("architecture", &self.architecture)?;
        cmdline::check_base(&self.cmdline)?;
        if !(1..=86_400).contains(&self.health_within) {
            let why = format!("{} is not in 1 to 86400 seconds", self.health_within);
            return Err(Error::invalid("health_within", why));
        }
        // Image formats hold times in 32 bits, the year 2106.
        if self.epoch > u64::from(u32::MAX) {
            return Err(Error::invalid("epoch", format!("{} is after 2106", self.epoch)));
        }
        check_state(&self.state)
    }

    /// The canonical bytes: JSON without white space, members in the order of the fields above.
    pub fn to_bytes(&self) -> Vec<u8> {
        text::to_bytes(self)
    }

    /// The descriptor of the canonical bytes.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(MEDIA_TYPE, &self.to_bytes())
    }
}

fn check_state(state: &[State]) -> Result<()> {
    for (index, State { path, at, options, .. }) in state.iter().enumerate() {
        let field = format!("state[{index}].path");
        let Some(relative) = path.strip_prefix('/') else {
            let why = format!("`{}` is not absolute", path.escape_debug());
            return Err(Error::invalid(field, why));
        };
        text::check_relative_path(&field, relative)?;
        text::check_relative_path(&format!("state[{index}].at"), at)?;
        if options.windows(2).any(|pair| pair[0] >= pair[1]) {
            let why = "is not sorted, or has one twice";
            return Err(Error::invalid(format!("state[{index}].options"), why));
        }
    }
    if let Some(pair) = state.windows(2).find(|pair| pair[0].path >= pair[1].path) {
        let why = format!("`{}` comes after `{}`", pair[1].path, pair[0].path);
        return Err(Error::invalid("state", why));
    }
    // Compared by components, "a" and "a/b" are neighbours whatever else there is ("a-b").
    let mut places: Vec<_> = state.iter().map(|it| components(&it.at)).collect();
    places.sort();
    match places.windows(2).find(|pair| pair[1].starts_with(&pair[0])) {
        Some(pair) => {
            let names = pair[1].iter().collect::<std::path::PathBuf>();
            let why = format!("`{}` is kept in the same place as another", names.display());
            Err(Error::invalid("state", why))
        }
        None => Ok(()),
    }
}

fn components(path: &str) -> Vec<Component<'_>> {
    Path::new(path).components().collect()
}
