//! What is said, a line of JSON each.
//!
//! ```text
//! deploy                                  agent
//! {"hello":{"protocol":1}}                {"hello":{"protocol":1,"server":...,"board":...}}
//! {"offer":{"manifest":...}}              {"needs":{"blobs":[...],"bases":[...]}}
//! {"blob":{"digest":...,"offset":0}}
//! {"chunk":{"size":...,"encoded":...}}
//! <encoded bytes>
//! ... up to the blob's end                {"received":{"digest":...}}
//! {"stage":{"annotations":{...}}}         {"staged":{"number":...}}
//! ```
//!
//! In the place of any answer the agent can say `{"refused":{"message":...}}`, and ends.

use std::collections::BTreeMap;

use digest::Digest;
use serde::{Deserialize, Serialize};

use crate::report::Staged;

/// The version of what is said. Both ends have to speak the same.
pub const PROTOCOL: u32 = 1;

/// The longest line, in bytes: a manifest of 64 KiB with every character escaped.
pub const MAX_LINE: u64 = 512 * 1024;

/// The most annotations of a generation, and the longest of them in bytes, name and value.
pub const MAX_ANNOTATIONS: usize = 32;
/// See [`MAX_ANNOTATIONS`].
pub const MAX_ANNOTATION: usize = 1024;

/// The most generations that a server offers as bases.
pub const MAX_BASES: usize = 64;

/// What deploy says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Request {
    Hello { protocol: u32 },
    Offer { manifest: String, dry_run: bool },
    Blob { digest: Digest, offset: u64 },
    Chunk(Chunk),
    Stage { annotations: BTreeMap<String, String> },
}

/// What the agent says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    Hello(Greeting),
    Needs(Needs),
    Received { digest: Digest },
    Staged(Staged),
    Refused(Refusal),
}

/// The header of a piece of a blob. Its encoded bytes follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// Bytes of the blob that it decodes to.
    pub size: usize,
    /// Bytes that follow: one zstd frame.
    pub encoded: usize,
    /// What the frame takes as its prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Region>,
}

/// A part of a blob that the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// The blob.
    pub digest: Digest,
    /// Where in it, in bytes.
    pub offset: u64,
    /// How many bytes.
    pub size: usize,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The server's name in its workspace.
    pub server: String,
    /// Its board.
    pub board: String,
}

/// What the server lacks of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// The blobs, in the order in which they are to come.
    pub blobs: Vec<Need>,
    /// Generations whose blobs are there, the best base for deltas first.
    pub bases: Vec<Digest>,
}

/// A blob that a server lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Its digest.
    pub digest: Digest,
    /// How many of its first bytes are there, from a transfer that was cut off.
    pub have: u64,
}

/// Why the server will not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What is in the way, in one line.
    pub message: String,
    /// What can be done about it.
    #[serde(default)]
    pub help: Option<String>,
    /// Whether a blob did not have the bytes of its digest: then the base of a delta may be
    /// damaged, and sending it whole may help.
    #[serde(default)]
    pub mismatch: bool,
}

impl Refusal {
    /// A refusal that says just why.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, mismatch: false }
    }

    /// With what can be done.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
