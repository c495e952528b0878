//! `cargo xtask verify`: builds a server twice and compares everything.

use std::process::ExitCode;

use clap::Args;
use pipeline::Verified;

use super::{print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Verify {
    /// The server, by the name of its crate.
    server: String,
    /// Let the config layer see the clock, which has to be found (used by tests).
    #[arg(long, hide = true)]
    plant_clock: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Verify) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    let program = std::env::current_exe()?;
    let planted = arguments.plant_clock.then_some("--plant-clock");
    let more: Vec<_> = planted.into_iter().collect();
    let verified = pipeline::verify(&session, &server, &program, &more)?;
    if arguments.json {
        print_json(&verified)?;
    } else {
        print(&verified);
    }
    Ok(if verified.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(verified: &Verified) {
    for difference in &verified.differences {
        say!("differs     {}", difference.artefact);
        for line in &difference.lines {
            say!("            {line}");
        }
    }
    let built = verified.built;
    if verified.differences.is_empty() {
        say!("same        {}", verified.compared.join(", "));
    }
    say!("generation  {} (epoch {})", built.generation, built.epoch);
    match verified.recorded {
        None => say!("recorded    nothing: there is no server.digest"),
        Some(record) if record.is_same(&built) => say!("recorded    the same in server.digest"),
        Some(record) => say!("recorded    another in server.digest: {}", record.generation),
    }
}
