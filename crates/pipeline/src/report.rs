//! What `image --json` prints, and what `verify` reads again.

use std::path::PathBuf;

use digest::Digest;
use rootfs::config::Begins;
use serde::{Deserialize, Serialize};
use stage::Timing;

use crate::built::{Artefact, Sizes};
use crate::{Built, Medium, Record, Session, Warning};

/// A finished image and how it came about.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The server.
    pub server: String,
    /// The image.
    pub image: PathBuf,
    /// Its length in bytes, holes included.
    pub size: u64,
    /// Bytes that it takes on this machine's disk.
    pub allocated: u64,
    /// The generation's digest.
    pub generation: Digest,
    /// `SOURCE_DATE_EPOCH`, in seconds.
    pub epoch: u64,
    /// What server.digest recorded before, if anything.
    pub recorded: Option<Record>,
    /// Sizes in bytes.
    pub sizes: Sizes,
    /// State that begins with files of the image: a server that has it does not get them.
    #[serde(default)]
    pub state: Vec<Begins>,
    /// Seconds that it all took.
    pub seconds: f64,
    /// The stages, in order of completion.
    pub stages: Vec<Timing>,
    /// Every file that was made on the way.
    pub artefacts: Vec<Artefact>,
    /// What its owner may want to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// What git ignores among the files that it would be made of, and was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<PathBuf>,
}

impl Report {
    /// What a session made.
    pub fn new(
        session: &Session,
        built: &Built,
        medium: &Medium,
        recorded: Option<Record>,
        seconds: f64,
    ) -> Self {
        let mut artefacts = built.artefacts.clone();
        artefacts.push(Artefact::new("image", &medium.path));
        Self {
            server: built.bundle.config().server.clone(),
            image: medium.path.clone(),
            size: medium.size,
            allocated: medium.allocated,
            generation: built.generation,
            epoch: built.epoch,
            recorded,
            sizes: built.sizes,
            state: built.begins.clone(),
            seconds,
            stages: session.cache.timings(),
            artefacts,
            warnings: Vec::new(),
            ignored: Vec::new(),
        }
    }
}
