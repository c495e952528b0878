//! A record judged: all boot partitions, a sample of data partitions, and a few machines.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use powercut::{Plan, Replay, State};
use sandbox::{Group, ToolRoot};
use testbed::Testbed;

use crate::Way;
use crate::data;
use crate::machines::Machines;
use crate::record::Record;
use crate::start::Outcome;
use crate::survey::{Row, Survey};

const MIB: u64 = 1 << 20;
/// So many states of a step have their data partition checked: a second each.
const CHECKED: u64 = 20;
/// From a state of each step with such a word in its name a machine comes up.
const UP: [&str; 4] = ["arm, other", "confirm 3", "roll back", "fourth goes"];
/// From so many states a machine starts, and has its power cut once its init runs.
const STARTED: usize = 12;

/// A row for each step.
pub(crate) fn judge(
    testbed: &Testbed,
    record: &Record,
    folder: &Path,
    scratch: &Path,
    way: &Way<'_>,
) -> Result<Vec<Row>> {
    let from = record.steps.first().context("nothing was done")?.begin;
    let plan = Plan { seed: way.seed, watch: 16 * MIB..272 * MIB, from, ..Plan::default() };
    println!("seed {}", plan.seed);
    let (image, log) = (folder.join("image"), folder.join("log"));
    let replay = Replay::open(&image, Some(record.size), &log, plan)?;
    let start = Instant::now();
    let mut survey = Survey::new(record);
    let mut rows = survey.all(&replay)?;
    println!("boot partitions, in {:?}", start.elapsed());
    if way.does("ext4") || way.does("machines") {
        let tools = testbed.tools(Group::Image)?;
        let machines = Machines { testbed, record, scratch };
        let sample = Sample { tools, machines, record, scratch, way };
        sample.look(&replay, &mut survey, &mut rows)?;
        println!("data partitions and machines, in {:?}", start.elapsed());
    }
    Ok(rows)
}

/// What is looked at more closely.
struct Sample<'a> {
    tools: ToolRoot,
    machines: Machines<'a>,
    record: &'a Record,
    scratch: &'a Path,
    way: &'a Way<'a>,
}

impl Sample<'_> {
    fn look(&self, replay: &Replay, survey: &mut Survey<'_>, rows: &mut [Row]) -> Result<()> {
        let (up, started) = self.chosen(rows);
        let mut seen = vec![0_u64; rows.len()];
        for state in replay.states() {
            let state = state?;
            let step = self.record.step(state.cut());
            let row = &mut rows[step];
            let turn = seen[step].is_multiple_of(row.states / CHECKED + 1);
            seen[step] += 1;
            let number = state.cut().number;
            let (up, started) = (up.contains(&number), started.contains(&number));
            if !turn && !up && !started {
                continue;
            }
            // One that fails here was counted before.
            let Ok(outcome) = survey.judge(&state) else { continue };
            if self.way.does("ext4") {
                row.checked += 1;
                // Every byte at the beginning of each step, and where a machine comes up.
                self.data(&state, &outcome, up || row.checked == 1, row);
            }
            if self.way.does("machines") && (up || started) {
                let booted = if up {
                    row.up += 1;
                    self.machines.comes_up(&state, &outcome)
                } else {
                    row.started += 1;
                    self.machines.starts(&state, &outcome)
                };
                match booted {
                    Ok(()) => println!("booted {}, from {}", outcome.starts, state.cut()),
                    Err(error) => row.fail(state.cut(), &format!("{error:#}")),
                }
            }
        }
        Ok(())
    }

    fn data(&self, state: &State, outcome: &Outcome, all: bool, row: &mut Row) {
        let checked = data::check(state, outcome, self.record, &self.tools, self.scratch, all);
        if let Err(error) = checked {
            row.fail(state.cut(), &format!("{error:#}"));
        }
    }

    /// The numbers of the states from which a machine comes up, and of those from which one starts.
    fn chosen(&self, rows: &[Row]) -> (BTreeSet<u64>, BTreeSet<u64>) {
        let steps = self.record.steps.iter().zip(rows);
        let named = steps.filter(|(step, _)| UP.iter().any(|word| step.name.contains(word)));
        let up = named.filter_map(|(_, row)| row.torn.get(row.torn.len() / 2).copied()).collect();
        let torn: Vec<u64> = rows.iter().flat_map(|row| &row.torn).copied().collect();
        // Others with another seed.
        let from = usize::try_from(self.way.seed).unwrap_or(0);
        let every = torn.len() / STARTED + 1;
        (up, torn.into_iter().skip(from % every).step_by(every).collect())
    }
}
