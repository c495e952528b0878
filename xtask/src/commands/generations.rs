//! `cargo xtask generations`: what a server has.

use std::process::ExitCode;

use clap::Args;
use deploy::{Agent, Ssh};

use super::{print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Generations {
    /// The server, by the name of its crate.
    server: String,
    /// Where it runs.
    host: String,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

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
        for line in transfer::table::table(&listed).lines() {
            say!("{line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
