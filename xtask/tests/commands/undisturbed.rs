//! The build that nothing disturbs: what the others are compared with, made once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use digest::Digest;
use pipeline::Report;

use crate::workspace::{Workspace, repository};
use crate::{SERVER, results};

/// The stages of an image, in their order, and those of the other formats.
pub(crate) const STAGES: [&str; 10] =
    ["program", "packages", "layer", "initramfs", "config", "disk", "qcow2", "iso", "tar", "oci"];

/// How many of them an image takes: `disk` and those before it.
pub(crate) const OF_AN_IMAGE: usize = STAGES.len() - FORMATS.len();

/// The formats other than that of `disk`, and the stages that make them.
const FORMATS: [&str; 4] = ["qcow2", "iso", "tar", "oci"];

/// An image that was built in peace.
pub(crate) struct Undisturbed {
    workspace: Workspace,
    pub(crate) report: Report,
    pub(crate) digests: BTreeMap<String, Digest>,
}

/// What a build comes to that has a certain stage in it.
pub(crate) struct Expected {
    pub(crate) format: &'static str,
    pub(crate) digests: BTreeMap<String, Digest>,
    /// How long the longest run of the stage took.
    pub(crate) seconds: f64,
}

static MADE: Mutex<Option<Arc<Undisturbed>>> = Mutex::new(None);

/// The undisturbed build; the first who asks makes it.
pub(crate) fn get() -> Result<Arc<Undisturbed>> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = made.as_ref() {
        return Ok(made.clone());
    }
    let new = Arc::new(Undisturbed::make()?);
    *made = Some(new.clone());
    Ok(new)
}

/// Removes it, if it was made.
pub(crate) fn remove() {
    MADE.lock().unwrap_or_else(PoisonError::into_inner).take();
}

impl Undisturbed {
    fn make() -> Result<Self> {
        let workspace = Workspace::new()?;
        // The copy's results are compared with each other, not with a record of other sources.
        let record = workspace.root().join("servers").join(SERVER).join("server.digest");
        if record.exists() {
            fs::remove_file(record)?;
        }
        take_programs(&workspace)?;
        let report: Report = workspace.run(["image", SERVER, "--json", "--quiet"])?.json()?;
        let digests = results::digests(&report)?;
        Ok(Self { workspace, report, digests })
    }

    /// The same workspace once more, with the results of all stages but those of `without`.
    pub(crate) fn twin(&self, without: &[&str]) -> Result<Workspace> {
        let twin = Workspace::of(&self.workspace.root())?;
        for stage in STAGES.iter().filter(|stage| !without.contains(stage)) {
            results::take(&self.workspace.stages(), &twin.stages(), stage)?;
        }
        Ok(twin)
    }

    /// The same workspace just before `stage` makes the server's part of it. Of the programs only
    /// the server's own has to be compiled: the other takes the same way and most of a minute.
    pub(crate) fn before(&self, stage: &str) -> Result<Workspace> {
        let twin = self.twin(&[stage])?;
        if stage == "program" {
            let others = |result: &Path| !result.join("out").join(SERVER).exists();
            results::take_if(&self.workspace.stages(), &twin.stages(), stage, others)?;
        }
        Ok(twin)
    }

    /// Lets `workspace` have the programs too.
    pub(crate) fn give_programs(&self, workspace: &Workspace) -> Result<()> {
        results::take(&self.workspace.stages(), &workspace.stages(), "program")
    }

    /// What `image` comes to, in the format that has `stage` in it.
    pub(crate) fn expected(&self, stage: &str) -> Result<Expected> {
        let Some(format) = FORMATS.into_iter().find(|format| *format == stage) else {
            let seconds = longest(&self.report, stage);
            return Ok(Expected { format: "raw", digests: self.digests.clone(), seconds });
        };
        // Not here: twins that want to see it made would have it.
        let twin = self.twin(&[])?;
        let image = ["image", SERVER, "--format", format, "--json", "--quiet"];
        let report: Report = twin.run(image)?.json()?;
        let seconds = longest(&report, stage);
        Ok(Expected { format, digests: results::digests(&report)?, seconds })
    }
}

fn longest(report: &Report, stage: &str) -> f64 {
    let runs = report.stages.iter().filter(|it| it.stage == stage);
    runs.map(|it| it.seconds).fold(0.0, f64::max)
}

/// Spares `workspace` the compiler, where the repository has the programs already.
pub(crate) fn take_programs(workspace: &Workspace) -> Result<()> {
    let target = definition::Workspace::load(repository())?.target().to_owned();
    results::take(&target.join("heirloom/stages"), &workspace.stages(), "program")
        .context("taking over compiled programs")
}
