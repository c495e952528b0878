//! What a server says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use boot::Partition;
use digest::Digest;
use generation::Layout;
use generation::layout::{
    ANNOTATION_BUILT_BY, ANNOTATION_COMMIT, ANNOTATION_STAGED, ANNOTATION_UNCOMMITTED,
};
use transfer::report::{GenerationReport, Listed, Status, Trial, TrialState};

use crate::catalog::{Catalog, Held};
use crate::machine::{self, HEALTH};
use crate::{Result, Server, disk, hidden, memory, trials, verity};

/// The server's state. Nothing is locked or mounted for it: it can be asked at any time.
pub fn status() -> Result<Status> {
    let booted = machine::booted()?;
    let layout = machine::layout()?;
    let catalog = Catalog::new(layout.index()?);
    let running = catalog.find(booted.generation).map(|held| held.number);
    let config = layout.config(&layout.manifest(booted.generation)?)?;
    let health = fs::read(HEALTH).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let corrupted = verity::corrupted()?;
    let corrupted = corrupted
        .iter()
        .map(|layer| format!("layer {layer} of what is running: blocks do not have their hashes"));
    let corrupted = corrupted.chain(damaged(&layout, &catalog)?);
    // A kernel or a jail that refuses this hides no more than a hint.
    let hidden = hidden::image().map(|image| {
        hidden::hidden(&image, &Path::new(machine::DATA).join("state"), &config.state)
    });
    Ok(Status {
        server: config.server,
        board: config.board,
        booted: running,
        generation: booted.generation,
        default: catalog.confirmed().first().map(|held| held.number),
        trial: machine::trials()?.last().map(report),
        health,
        hidden: hidden.unwrap_or_default(),
        corrupted: corrupted.collect(),
        disk: disk::report(),
        memory: memory::report().ok(),
        acknowledges: true,
        uptime: machine::uptime().as_secs(),
    })
}

/// The blobs that were found damaged on this disk, with the generations that need them.
fn damaged(layout: &Layout, catalog: &Catalog) -> Result<Vec<String>> {
    let needs = |held: &Held, blob: Digest| {
        let manifest = layout.manifest(held.generation);
        manifest.map_or(held.generation == blob, |it| it.blobs().any(|it| it.digest == blob))
    };
    let line = |blob: Digest| {
        let numbers = catalog.all().into_iter().filter(|held| needs(held, blob));
        let numbers: Vec<String> = numbers.map(|held| held.number.to_string()).collect();
        let (blob, numbers) = (blob.short(), numbers.join(", "));
        format!("blob {blob} of generation {numbers}: the next deploy that has it sends it again")
    };
    Ok(layout.damaged()?.into_iter().map(line).collect())
}

/// What there is to say of a trial.
pub fn report(trial: trials::Trial) -> Trial {
    let trials::Trial { number, generation, state, reason, lines, token, .. } = trial;
    let token = token.filter(|_| state == TrialState::Running);
    Trial { number, generation, state, reason, lines, token }
}

impl<P: Partition> Server<P> {
    /// All generations.
    pub fn list(&self) -> Result<Listed> {
        let catalog = self.catalog()?;
        let boots = self.boot().read()?;
        let previous = catalog.previous().map(|held| held.number);
        let trials = self.trials().all();
        let generations = catalog.all().into_iter().map(|held| {
            let trial = trials.iter().rev().find(|it| it.generation == held.generation);
            let open = trial.is_some_and(|it| it.is_open()) || boots.armed == Some(held.number);
            GenerationReport {
                size: self.size(&held),
                default: boots.default == Some(held.number),
                booted: held.generation == self.running().generation,
                previous: previous == Some(held.number),
                trial: open,
                outcome: trial.map(outcome),
                ..of(held)
            }
        });
        Ok(Listed {
            generations: generations.collect(),
            free_data: self.free_data()?,
            free_boot: self.boot().free()?,
        })
    }

    fn size(&self, held: &Held) -> u64 {
        let manifest = self.layout().manifest(held.generation);
        manifest.map_or(0, |manifest| manifest.blobs().map(|blob| blob.size).sum())
    }
}

/// What the index says of a generation.
pub fn of(held: Held) -> GenerationReport {
    let text = |annotations: &BTreeMap<String, String>, name: &str| annotations.get(name).cloned();
    GenerationReport {
        number: held.number,
        generation: held.generation,
        size: 0,
        default: false,
        booted: false,
        previous: false,
        pinned: held.pinned,
        trial: false,
        commit: text(&held.annotations, ANNOTATION_COMMIT),
        uncommitted: text(&held.annotations, ANNOTATION_UNCOMMITTED).is_some(),
        built_by: text(&held.annotations, ANNOTATION_BUILT_BY),
        staged: text(&held.annotations, ANNOTATION_STAGED),
        outcome: None,
    }
}

/// What became of a trial, in one line.
pub fn outcome(trial: &trials::Trial) -> String {
    let reason = trial.reason.as_deref().unwrap_or("no reason is known");
    match trial.state {
        TrialState::Armed => "the next boot is its trial".into(),
        TrialState::Running => "on trial".into(),
        TrialState::Confirmed => "confirmed".into(),
        TrialState::Failed => format!("failed: {reason}"),
    }
}
