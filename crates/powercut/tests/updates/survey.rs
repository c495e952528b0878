//! All states of a record, judged by what their boot partitions start.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use digest::Digest;
use powercut::{BootView, Choosing, Cut, Partitions, Replay, State};

use crate::record::{Record, Starts};
use crate::start::{Outcome, outcome};

/// So many failures are kept of a step.
const KEPT: usize = 10;

/// What became of the states of one step.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// How many there are.
    pub(crate) states: u64,
    /// How many different boot partitions.
    pub(crate) layouts: u64,
    /// How many start what.
    pub(crate) starts: BTreeMap<Starts, u64>,
    /// How many have had their data partition checked.
    pub(crate) checked: u64,
    /// From how many a machine started up to its init.
    pub(crate) started: u64,
    /// From how many one came up.
    pub(crate) up: u64,
    pub(crate) failed: u64,
    pub(crate) failures: Vec<String>,
    /// The numbers of those with a boot partition that no state before had, and of whose writes
    /// some are not there.
    pub(crate) torn: Vec<u64>,
}

impl Row {
    pub(crate) fn fail(&mut self, cut: &Cut, why: &str) {
        self.failed += 1;
        eprintln!("FAILED {cut}: {why}");
        if self.failures.len() < KEPT {
            self.failures.push(format!("{cut}\n        {why}"));
        }
    }
}

/// Judges states by their boot partitions, each different one once.
pub(crate) struct Survey<'a> {
    record: &'a Record,
    known: HashMap<Digest, std::result::Result<Outcome, String>>,
}

impl<'a> Survey<'a> {
    pub(crate) fn new(record: &'a Record) -> Self {
        Self { record, known: HashMap::new() }
    }

    /// A row for each step of the record.
    pub(crate) fn all(&mut self, replay: &Replay) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = self.record.steps.iter().map(|_| Row::default()).collect();
        for state in replay.states() {
            let state = state?;
            let cut = state.cut();
            let row = &mut rows[self.record.step(cut)];
            row.states += 1;
            let known = self.known.len();
            match self.judge(&state) {
                Ok(outcome) => *row.starts.entry(outcome.starts).or_default() += 1,
                Err(why) => row.fail(cut, &why),
            }
            if self.known.len() > known {
                row.layouts += 1;
                if !matches!(cut.choosing, Choosing::Flushed | Choosing::First) {
                    row.torn.push(cut.number);
                }
            }
        }
        Ok(rows)
    }

    /// What a state starts; what is wrong with it.
    pub(crate) fn judge(&mut self, state: &State) -> std::result::Result<Outcome, String> {
        let boot = Partitions::of(state).map_err(|why| format!("partition table: {why}"))?.boot;
        let fingerprint = state.fingerprint(boot.clone());
        let look = || {
            let view = BootView::open(state, boot).map_err(|why| format!("no FAT: {why}"))?;
            outcome(&view, self.record)
        };
        let outcome = self.known.entry(fingerprint).or_insert_with(look).clone()?;
        let cut = state.cut();
        let allowed = self.record.allowed(cut.durable, last(cut));
        if !allowed.contains(&outcome.starts) {
            return Err(format!("it starts {}, and not {allowed:?}", outcome.starts));
        }
        if !allowed.iter().any(|starts| starts.default == outcome.elsewhere) {
            let number = outcome.elsewhere;
            return Err(format!("with other firmware it starts {number}, and not {allowed:?}"));
        }
        Ok(outcome)
    }
}

/// The entry of the log from which on nothing is there.
fn last(cut: &Cut) -> u64 {
    cut.kept.last().map_or(cut.durable, |kept| cut.durable.max(kept.entry + 1))
}

impl Record {
    /// The step that was going on, or had just ended.
    pub(crate) fn step(&self, cut: &Cut) -> usize {
        self.steps.partition_point(|step| step.begin < last(cut)).saturating_sub(1)
    }
}
