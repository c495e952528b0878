//! `cargo xtask lock`: resolves a server's packages, or the tool root's.

use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use definition::edit;

use super::locked::{OfServer, OfTools};
use super::{print_json, session};
use crate::cli::{Global, Lock};
use crate::output::say;

pub(crate) fn run(global: &Global, arguments: &Lock) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(!global.locked, "`lock --locked` asks to write a lock and not to");
    let session = session(global)?;
    let Some(name) = &arguments.server else {
        return print_tools(
            &sandbox::lock_tools(session.workspace.root(), &session.store)?,
            arguments.json,
        );
    };
    let server = session.workspace.server(name)?;
    let path = server.definition_path();
    let Some(date) = arguments.date else {
        let relocked = pipeline::locking::relock(&session.store, &server, &arguments.update)?;
        return print(name, &relocked, arguments.json);
    };
    // The definition says the date, so it is moved first, and back if the archive does not agree.
    let before = fs::read_to_string(&path)?;
    let moved = edit::set_date(&before, date).context("could not change server.toml")?;
    fs::write(&path, moved)?;
    let relocked = session.workspace.server(name).map_err(anyhow::Error::from).and_then(|server| {
        Ok(pipeline::locking::relock(&session.store, &server, &arguments.update)?)
    });
    if relocked.is_err() {
        fs::write(&path, before)?;
    }
    print(name, &relocked?, arguments.json)
}

fn print(
    name: &str,
    relocked: &pipeline::locking::Relocked,
    json: bool,
) -> anyhow::Result<ExitCode> {
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
