//! `cargo xtask lock`: resolves a server's packages, or the tool root's.

use std::process::ExitCode;

use clap::Args;
use definition::edit;
use jiff::civil::Date;
use pipeline::locking::{self, Relocked};

use super::locked::{OfServer, OfTools};
use super::{print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Lock {
    /// The server, by the name of its crate.
    #[arg(required_unless_present = "tools")]
    server: Option<String>,
    /// Lock the tool root instead (tools.toml to tools.lock).
    #[arg(long, conflicts_with = "server")]
    tools: bool,
    /// Move the server to this day of the archive; server.toml is changed too.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "tools")]
    date: Option<Date>,
    /// Move only this package, and what it needs.
    #[arg(long, value_name = "PACKAGE", conflicts_with = "tools")]
    update: Vec<String>,
    /// Print the result as JSON: day, number of packages, bytes; what is added, removed, changed.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Lock) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(!global.locked, "`lock --locked` asks to write a lock and not to");
    let session = session(global)?;
    let Some(name) = &arguments.server else {
        return print_tools(&locking::relock_tools(&session)?, arguments.json);
    };
    let relocked = match arguments.date {
        None => {
            let server = session.workspace.server(name)?;
            locking::relock(&session.store, &server, &arguments.update)?
        }
        Some(date) => {
            let edit = |text: &str| edit::set_date(text, date);
            let resolve =
                |store: &_, server: &_| locking::resolve(store, server, &arguments.update);
            locking::change(&session, name, edit, resolve)?
        }
    };
    print(name, &relocked, arguments.json)
}

fn print(name: &str, relocked: &Relocked, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print_json(&OfServer::new(name, relocked))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !relocked.diff.is_empty() {
        say!("{}", relocked.diff);
    }
    let (packages, day) = (relocked.lock.packages.len(), relocked.lock.date);
    say!("{name}: {packages} packages of {day}, {}", super::megabytes(relocked.lock.size()));
    Ok(ExitCode::SUCCESS)
}

fn print_tools(groups: &[sandbox::LockedGroup], json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print_json(&groups.iter().map(OfTools::new).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    for group in groups {
        let (packages, size) = (group.lock.packages.len(), group.lock.size());
        let size = super::megabytes(size);
        say!("{} {}: {packages} packages, {size}", group.group, group.architecture);
        if !group.diff.is_empty() {
            say!("{}", group.diff);
        }
    }
    Ok(ExitCode::SUCCESS)
}
