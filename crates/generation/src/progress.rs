//! How far a generation on trial has come: what `init` leaves behind in case it never returns.
//!
//! `/imgs/progress`, one line, written anew at each step of a trial:
//!
//! ```text
//! {"generation":"sha256:<manifest>","step":"layer 1"}
//! {"generation":"sha256:<manifest>","step":"manifest","error":"cannot open ..."}
//! ```
//!
//! It is written by the generation that failed and read by another, which may be older. So a
//! reader takes steps and members that it does not know.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use digest::Digest;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result, files, text};

/// The longest file that is read, in bytes.
pub const MAX_SIZE: u64 = 16 * 1024;

/// The longest error that is written, in bytes; of a longer one the beginning.
pub const MAX_ERROR: usize = 2048;

/// The longest name of a step, in bytes.
const MAX_STEP: usize = 64;

/// The last step of a trial that was reached, and what went wrong after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The generation on trial.
    pub generation: Digest,
    /// What it has done last.
    pub step: Step,
    /// Why it did not get further, where it could say so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A step of `init`, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `data`: the data filesystem is mounted.
    Data,
    /// `manifest`: manifest and config are good.
    Manifest,
    /// `layer N`: the filesystem layer N of the manifest, counted from 1, is mounted.
    Layer(u32),
    /// `state`: all state is bound.
    State,
    /// `handover`: the server's own init is about to start.
    Handover,
    /// A step of another version, 1 to 64 bytes of printable ASCII. Reading makes it, and only of
    /// what is none of the above.
    Other(String),
}

impl Progress {
    /// The name of the file under `/imgs`.
    pub const NAME: &str = "progress";

    /// A generation that has come to `step`.
    pub fn new(generation: Digest, step: Step) -> Self {
        Self { generation, step, error: None }
    }

    /// The same, with the reason why it does not get further.
    pub fn failed(mut self, error: &str) -> Self {
        self.error = Some(text::shortened(error, MAX_ERROR).to_owned());
        self
    }

    /// Reads the bytes of the file, which may be anyone's.
    ///
    /// # Errors
    /// What is longer than [`MAX_SIZE`], or no JSON of this shape.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let progress: Self = text::parse("progress", bytes, MAX_SIZE)?;
        if progress.error.as_ref().is_some_and(|error| error.len() > MAX_ERROR) {
            return Err(Error::invalid("error", format!("is longer than {MAX_ERROR} bytes")));
        }
        Ok(progress)
    }

    /// Its bytes: JSON without white space, members in the order of the fields above.
    pub fn to_bytes(&self) -> Vec<u8> {
        text::to_bytes(self)
    }

    /// Puts it in the place of the last one under `imgs`, and returns when it is on the disk.
    pub fn write(&self, imgs: &Path) -> Result<()> {
        files::replace(imgs, Self::NAME, &self.to_bytes())
    }

    /// What the last trial has left under `imgs`; nothing where there was none.
    pub fn read(imgs: &Path) -> Result<Option<Self>> {
        match files::read(&imgs.join(Self::NAME), "progress", MAX_SIZE) {
            Ok(bytes) => Self::parse(&bytes).map(Some),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what the last trial has left under `imgs`, and returns when that is on the disk.
    pub fn remove(imgs: &Path) -> Result<()> {
        files::remove(&imgs.join(Self::NAME))?;
        files::sync(imgs)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data => f.write_str("data"),
            Self::Manifest => f.write_str("manifest"),
            Self::Layer(number) => write!(f, "layer {number}"),
            Self::State => f.write_str("state"),
            Self::Handover => f.write_str("handover"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl FromStr for Step {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let plain = |byte: u8| matches!(byte, b' '..=b'~');
        if !(1..=MAX_STEP).contains(&name.len()) || !name.bytes().all(plain) {
            let why = format!("is not 1 to {MAX_STEP} bytes of printable ASCII");
            return Err(Error::invalid("step", why));
        }
        let layer = || name.strip_prefix("layer ")?.parse().ok().map(Self::Layer);
        Ok(match name {
            "data" => Self::Data,
            "manifest" => Self::Manifest,
            "state" => Self::State,
            "handover" => Self::Handover,
            // One number has one spelling.
            _ => match layer() {
                Some(layer) if layer.to_string() == name => layer,
                _ => Self::Other(name.to_owned()),
            },
        })
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
