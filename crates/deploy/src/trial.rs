//! Waiting until a server has decided about a generation on trial.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use transfer::report::{Status, TrialState};

use crate::{Agent, Error, Result};

/// How long is waited, and how often is asked.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the order to reboot to the verdict.
    pub deadline: Duration,
    /// Between two questions.
    pub interval: Duration,
}

impl Patience {
    /// For a generation that has to be healthy `within` some time, on a machine that boots in at
    /// most `boot`: one boot into it and, if it has to be, one back.
    pub fn new(within: Duration, boot: Duration) -> Self {
        Self { deadline: within + 2 * boot, interval: Duration::from_secs(2) }
    }
}

/// What became of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The generation is healthy, and the default now.
    Confirmed,
    /// The server runs its old generation again.
    FellBack {
        /// Why, in one line.
        reason: String,
        /// What more is known.
        lines: Vec<String>,
    },
}

/// Asks until the trial of `number` is decided. A server that does not answer is rebooting.
///
/// # Errors
/// [`Error::Undecided`] after the deadline.
pub(crate) fn wait(
    agent: &Agent<'_>,
    host: &str,
    number: u64,
    patience: Patience,
) -> Result<Verdict> {
    let shown = progress::spinner("Waiting", format!("for {host}"));
    let start = Instant::now();
    loop {
        let answer = agent.status().and_then(|status| {
            if let Some(token) = token(&status, number) {
                agent.acknowledge(token)?;
            }
            Ok(status)
        });
        let last = match answer {
            Ok(status) => match verdict(&status, number) {
                Some(verdict) => return Ok(verdict),
                None => describe(&status),
            },
            Err(Error::Ssh { why, .. }) => why,
            // Whatever else it says, it may be a server that is going down or coming up.
            Err(error) => error.to_string(),
        };
        shown.message(format!("for {host}: {last}"));
        if start.elapsed() >= patience.deadline {
            let seconds = start.elapsed().as_secs();
            return Err(Error::Undecided { host: host.to_owned(), number, seconds, last });
        }
        thread::sleep(patience.interval);
    }
}

/// What the trial of `number` waits for, where it runs. Each question to the server is a login of its
/// own, and so is the answer.
fn token(status: &Status, number: u64) -> Option<&str> {
    let trial = status.trial.as_ref().filter(|trial| trial.number == number)?;
    let token = trial.token.as_deref().filter(|_| status.booted == Some(number))?;
    // It becomes a word of a command.
    let plain =
        !token.is_empty() && token.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    plain.then_some(token)
}

/// What a server's word says of the trial of `number`. Decided is what has happened: confirmed
/// where it runs, failed where another one runs again.
fn verdict(status: &Status, number: u64) -> Option<Verdict> {
    let runs = status.booted == Some(number);
    match status.trial.as_ref().filter(|trial| trial.number == number) {
        Some(trial) => match trial.state {
            TrialState::Confirmed if runs => Some(Verdict::Confirmed),
            TrialState::Failed if !runs => Some(Verdict::FellBack {
                reason: trial.reason.clone().unwrap_or_else(|| "no reason was recorded".into()),
                lines: trial.lines.clone(),
            }),
            _ => None,
        },
        None if runs && status.default == Some(number) => Some(Verdict::Confirmed),
        None => None,
    }
}

fn describe(status: &Status) -> String {
    let booted = status.booted.map_or("a generation".to_owned(), |it| format!("generation {it}"));
    match &status.trial {
        Some(trial) if trial.state == TrialState::Running => format!("{booted} runs on trial"),
        Some(trial) if trial.state == TrialState::Failed => {
            format!("{booted} runs, generation {} failed", trial.number)
        }
        _ => format!("{booted} runs"),
    }
}

#[cfg(test)]
mod tests {
    use digest::Digest;
    use transfer::report::Trial;

    use super::*;

    fn status(booted: u64, default: u64, trial: Option<(u64, TrialState)>) -> Status {
        Status {
            server: "mail".into(),
            board: "pc".into(),
            booted: Some(booted),
            generation: Digest::of("g"),
            default: Some(default),
            trial: trial.map(|(number, state)| Trial {
                number,
                generation: Digest::of("g"),
                state,
                reason: Some("smtp does not answer".into()),
                lines: vec!["port 25: refused".into()],
                token: Some("0f1e-2d3c".into()),
            }),
            health: None,
            hidden: vec![],
            corrupted: vec![],
            memory: None,
            disk: transfer::report::Disk::default(),
            acknowledges: true,
            uptime: 1,
        }
    }

    #[test]
    fn a_token_is_handed_over_where_its_trial_runs() {
        let running = status(2, 1, Some((2, TrialState::Running)));
        assert_eq!(token(&running, 2), Some("0f1e-2d3c"));
        assert_eq!(token(&running, 3), None);
        assert_eq!(token(&status(1, 1, Some((2, TrialState::Armed))), 2), None);
        let mut hostile = running;
        hostile.trial.as_mut().unwrap().token = Some("1; reboot".into());
        assert_eq!(token(&hostile, 2), None);
    }

    #[test]
    fn a_trial_is_decided_when_what_it_led_to_runs() {
        use TrialState::{Armed, Confirmed, Failed, Running};
        let fell_back = Verdict::FellBack {
            reason: "smtp does not answer".into(),
            lines: vec!["port 25: refused".into()],
        };
        for (status, expected) in [
            (status(1, 1, Some((2, Armed))), None),
            (status(2, 1, Some((2, Running))), None),
            (status(2, 2, Some((2, Confirmed))), Some(Verdict::Confirmed)),
            // It says so, and is about to reboot.
            (status(2, 1, Some((2, Failed))), None),
            (status(1, 1, Some((2, Failed))), Some(fell_back)),
            // An older record of the same generation, and of another one.
            (status(1, 1, Some((2, Confirmed))), None),
            (status(1, 1, Some((1, Confirmed))), None),
            (status(2, 2, None), Some(Verdict::Confirmed)),
            (status(2, 1, None), None),
        ] {
            assert_eq!(verdict(&status, 2), expected, "{status:?}");
        }
    }
}
