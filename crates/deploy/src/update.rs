//! A running server gets a new generation.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use digest::Digest;
use image::Bundle;
use serde::Serialize;
use transfer::report::{Failure, Status, TrialState};

use crate::send::Sender;
use crate::trial::{self, Patience, Verdict};
use crate::{Agent, Error, Kept, Result, Transport};

/// How a server is updated.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Say what would be sent, and change nothing.
    pub dry_run: bool,
    /// Boot the generation on trial once it is staged.
    pub reboot: bool,
    /// Let the server's own health decide: nobody has to log in to the generation.
    pub unattended: bool,
    /// The longest time that the machine takes to boot.
    pub boot: Duration,
    /// Between two questions to a rebooting server, and before a transfer is taken up again.
    pub interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let (boot, interval) = (Duration::from_secs(180), Duration::from_secs(2));
        Self { dry_run: false, reboot: true, unattended: false, boot, interval }
    }
}

/// What became of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its digest.
    pub generation: Digest,
    /// Its number on the server; none after a dry run.
    pub number: Option<u64>,
    /// Bytes that were sent, or would be.
    pub sent: u64,
    /// Bytes of all its blobs.
    pub of: u64,
    /// Whole seconds that sending took.
    pub sending: u64,
    /// What became of it when it was tried before, if the server fell back from it.
    pub failed_before: Option<Failure>,
    /// How it ended.
    pub ending: Ending,
    /// Whole seconds until then.
    pub seconds: u64,
}

/// How a deployment ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It was booted on trial, and this is what became of it.
    Tried(Verdict),
    /// It is on the server and was not booted.
    Staged,
    /// The server ran it before, confirmed.
    UpToDate,
    /// Nothing was changed: this would have been sent.
    DryRun(Vec<Planned>),
}

/// A blob that would be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// What it is: `package layer`.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// As how many bytes it would be sent.
    pub sent: u64,
}

/// Brings a generation to the server that `transport` leads to, and waits for what becomes of it.
///
/// # Errors
/// When the server cannot be reached, is another one, or refuses; when it has not decided in time.
/// A generation that fell back is an [`Outcome`].
pub fn deploy(
    bundle: &Bundle,
    transport: &dyn Transport,
    kept: &Kept,
    annotations: &BTreeMap<String, String>,
    options: &Options,
) -> Result<Outcome> {
    let start = Instant::now();
    let generation = bundle.manifest().digest();
    let outcome = |number, sent, ending| Outcome {
        generation,
        number,
        sent,
        of: bundle.manifest().blobs().map(|blob| blob.size).sum(),
        sending: 0,
        failed_before: None,
        ending,
        seconds: start.elapsed().as_secs(),
    };
    let config = bundle.config();
    let agent = Agent::new(transport);
    let status = agent.status_of(&config.server)?;
    if status.board != config.board {
        return Err(Error::OtherServer {
            host: transport.name().to_owned(),
            found: format!("{} on a {}", status.server, status.board.escape_debug()),
            wanted: format!("{} on a {}", config.server, config.board),
        });
    }
    let up_to_date = runs_confirmed(&status, generation);
    if up_to_date && (status.corrupted.is_empty() || options.dry_run) {
        return Ok(outcome(status.booted, 0, Ending::UpToDate));
    }
    kept.add(bundle)?;
    let sender = Sender { transport, bundle, kept, pause: options.interval };
    if up_to_date {
        // It runs, and some of it is damaged on its disk: that comes again.
        let (_, sent) = sender.send(annotations)?;
        return Ok(outcome(status.booted, sent, Ending::UpToDate));
    }
    if options.dry_run {
        let planned = sender.plan()?;
        let sent = planned.iter().map(|blob| blob.sent).sum();
        return Ok(outcome(None, sent, Ending::DryRun(planned)));
    }
    let within = Duration::from_secs(config.health_within);
    let patience = Patience { interval: options.interval, ..Patience::new(within, options.boot) };
    if let Some(number) = on_trial(&status, generation) {
        progress::done("On trial", format!("generation {number} on {}", transport.name()));
        let verdict = trial::wait(&agent, transport.name(), number, patience)?;
        return Ok(outcome(Some(number), 0, Ending::Tried(verdict)));
    }
    if let Some(other) = trial_of_another(&status, generation) {
        // It would not take a second trial, and may reboot in the middle of a transfer.
        progress::done("On trial", format!("generation {other} on {}", transport.name()));
        trial::wait(&agent, transport.name(), other, patience)?;
    }
    let sending = Instant::now();
    let (staged, sent) = sender.send(annotations)?;
    let sending = sending.elapsed().as_secs();
    let (number, failed_before) = (staged.number, staged.failed);
    progress::done("Staged", format!("generation {number} on {}", transport.name()));
    if let Some(failure) = &failed_before {
        progress::warning(again(number, failure));
    }
    let ending = if options.reboot {
        agent.switch(number, status.acknowledges && !options.unattended)?;
        progress::done("Rebooting", format!("{} into generation {number}", transport.name()));
        Ending::Tried(trial::wait(&agent, transport.name(), number, patience)?)
    } else {
        Ending::Staged
    };
    Ok(Outcome { sending, failed_before, ..outcome(Some(number), sent, ending) })
}

/// What is said of a generation that failed before: it is tried again all the same, for what was
/// wrong may have been outside of it.
fn again(number: u64, failure: &Failure) -> String {
    let at = failure.at.and_then(|at| jiff::Timestamp::from_second(i64::try_from(at).ok()?).ok());
    let when = at.map_or(String::new(), |at| format!(" on {}", at.strftime("%Y-%m-%d, %H:%M UTC")));
    let reason = failure.reason.escape_debug();
    format!("generation {number} was tried{when} and fell back: {reason}")
}

/// Whether the server runs this generation, will boot it again, and tries no other.
fn runs_confirmed(status: &Status, generation: Digest) -> bool {
    let trial = status.trial.as_ref().map(|trial| trial.state);
    status.generation == generation
        && status.booted == status.default
        && !matches!(trial, Some(TrialState::Armed | TrialState::Running))
}

/// The number of this generation, if the server is trying it already: an earlier deployment was
/// interrupted while it waited, or somebody else's is waiting. The trial is as good as a new one.
fn on_trial(status: &Status, generation: Digest) -> Option<u64> {
    let trial = status.trial.as_ref().filter(|trial| trial.state == TrialState::Running)?;
    let runs = status.booted == Some(trial.number) && status.generation == generation;
    runs.then_some(trial.number)
}

/// The number of another generation that the server is trying.
fn trial_of_another(status: &Status, generation: Digest) -> Option<u64> {
    let trial = status.trial.as_ref().filter(|trial| trial.state == TrialState::Running)?;
    (trial.generation != generation).then_some(trial.number)
}

impl Agent<'_> {
    /// Goes back to an older generation, which is booted on trial, and waits for what becomes of
    /// it. Its number, and the verdict; no verdict when the server does not reboot for it.
    pub fn roll_back(
        &self,
        host: &str,
        number: Option<u64>,
        patience: Patience,
    ) -> Result<(u64, Option<Verdict>)> {
        let switched = self.rollback(number, patience)?;
        if !switched.rebooting {
            return Ok((switched.number, None));
        }
        progress::done("Rebooting", format!("{host} into generation {}", switched.number));
        let verdict = trial::wait(self, host, switched.number, patience)?;
        Ok((switched.number, Some(verdict)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_its_date_where_there_was_a_clock() {
        let failure = |at| Failure { at, reason: "smtp is not there".into() };
        assert_eq!(
            again(7, &failure(Some(1_795_681_200))),
            "generation 7 was tried on 2026-11-26, 08:20 UTC and fell back: smtp is not there"
        );
        let said = again(7, &failure(None));
        assert_eq!(said, "generation 7 was tried and fell back: smtp is not there");
    }
}
