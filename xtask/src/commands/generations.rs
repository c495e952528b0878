//! `cargo xtask generations`: what a server has.

use std::process::ExitCode;

use deploy::{Agent, Ssh};
use transfer::report::{GenerationReport, Listed};

use super::{megabytes, print_json, session};
use crate::cli::{Generations, Global};
use crate::output::say;

pub(crate) fn run(global: &Global, arguments: &Generations) -> anyhow::Result<ExitCode> {
    let ssh = Ssh::new(&arguments.host)?;
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    let agent = Agent::new(&ssh);
    agent.status_of(server.name.as_str())?;
    let listed = agent.list()?;
    if arguments.json {
        print_json(&listed)?;
    } else {
        print(&listed);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(listed: &Listed) {
    say!(
        "{:>4}  {:<12}  {:>10}  {:<28}  {:<20}  {:<12}  BUILT BY",
        "NO",
        "GENERATION",
        "SIZE",
        "STATE",
        "STAGED",
        "COMMIT"
    );
    for one in &listed.generations {
        say!(
            "{:>4}  {:<12}  {:>10}  {:<28}  {:<20}  {:<12}  {}",
            one.number,
            one.generation.short(),
            megabytes(one.size),
            state(one),
            shown(one.staged.as_deref()),
            commit(one),
            shown(one.built_by.as_deref()),
        );
        if let Some(outcome) = &one.outcome {
            say!("      {}", outcome.escape_debug());
        }
    }
    let (data, boot) = (megabytes(listed.free_data), megabytes(listed.free_boot));
    say!("free: {data} for generations and state, {boot} for kernels");
}

fn state(one: &GenerationReport) -> String {
    let all = [
        (one.booted, "running"),
        (one.default, "default"),
        (one.previous, "previous"),
        (one.trial, "on trial"),
        (one.pinned, "pinned"),
    ];
    let states: Vec<_> = all.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    states.join(", ")
}

fn commit(one: &GenerationReport) -> String {
    let commit = shown(one.commit.as_deref());
    let short = commit.get(..10).unwrap_or(&commit);
    if one.uncommitted { format!("{short}+") } else { short.to_owned() }
}

/// What a server says, safe for a terminal.
fn shown(text: Option<&str>) -> String {
    text.unwrap_or("-").escape_debug().to_string()
}
