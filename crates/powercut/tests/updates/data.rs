//! The data partition of a state: what can be started is all there, and the server's state too.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use powercut::{DataView, Partitions, State};
use sandbox::ToolRoot;

use crate::record::Record;
use crate::start::Outcome;

/// Where the agent notes how trials ended.
const TRIALS: &str = "/state/heirloom/trials.json";

/// Looks whether the data partition of `state`, from which `outcome` starts, has every generation
/// of its index whole, those that are started among them, and the state that `record` knows. With
/// `all` every byte of what is started is read.
pub(crate) fn check(
    state: &State,
    outcome: &Outcome,
    record: &Record,
    tools: &ToolRoot,
    scratch: &Path,
    all: bool,
) -> Result<()> {
    let partitions = Partitions::of(state).map_err(anyhow::Error::msg)?;
    let view = DataView::open(tools, state, partitions.data, scratch)?;
    if let Some(damage) = view.damage() {
        bail!("the data partition is damaged: {damage}");
    }
    let Some(index) = view.index() else { bail!("there is no index") };
    let listed: BTreeSet<_> = index.manifests.iter().map(|entry| entry.digest).collect();
    let Outcome { starts, elsewhere } = outcome;
    let started: BTreeSet<u64> =
        starts.armed.into_iter().chain([starts.default, *elsewhere]).collect();
    for number in started {
        let generation = record.generations[&number].generation;
        ensure!(listed.contains(&generation), "the index does not have {number}, which is started");
        if all {
            let Some(manifest) = view.manifest(generation)? else { bail!("{number} is not there") };
            let corrupt = view.corrupt(&manifest)?;
            ensure!(corrupt.is_empty(), "of generation {number}: {}", corrupt.join(", "));
        }
    }
    for generation in listed {
        let lacks = view.lacks(generation)?;
        let number = record.number(generation);
        ensure!(lacks.is_empty(), "generation {number:?} lacks {}", lacks.join(", "));
    }
    for (path, text) in &record.state {
        let found = view.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let found = found.as_deref().map(str::trim_end);
        ensure!(found == Some(text), "{path} is {found:?}");
    }
    if let Some(trials) = view.read(TRIALS)? {
        let document: Result<serde_json::Value, _> = serde_json::from_slice(&trials);
        ensure!(document.is_ok(), "{TRIALS} is `{}`", String::from_utf8_lossy(&trials));
    }
    Ok(())
}
