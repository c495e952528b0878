//! `cargo xtask rollback`: an older generation of a server, on trial.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use deploy::{Agent, Patience, Ssh};
use serde_json::json;

use super::deploy::{code, print_verdict};
use super::{print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Rollback {
    /// The server, by the name of its crate.
    server: String,
    /// Where it runs.
    host: String,
    /// Which generation; without, the one that was confirmed before.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    number: Option<u64>,
    /// The longest time that the machine takes to boot, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    boot_time: u64,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Rollback) -> anyhow::Result<ExitCode> {
    let ssh = Ssh::new(&arguments.host)?;
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    let agent = Agent::new(&ssh);
    agent.status_of(server.name.as_str())?;
    // The older generation had its own deadline; the definition's of today is about the same.
    let boot = Duration::from_secs(arguments.boot_time);
    let patience = Patience::new(server.health.duration(), boot);
    let (number, verdict) = agent.roll_back(&arguments.host, arguments.number, patience)?;
    if arguments.json {
        print_json(&json!({ "number": number, "verdict": verdict }))?;
    } else {
        say!("generation  {number}");
        match &verdict {
            Some(verdict) => print_verdict(verdict),
            None => say!("armed       the next boot is its trial"),
        }
    }
    Ok(verdict.as_ref().map_or(ExitCode::SUCCESS, code))
}
