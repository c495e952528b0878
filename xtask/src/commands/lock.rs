//! `cargo xtask lock`: resolves a server's packages, or the tool root's.

use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use definition::edit;

use super::session;
use crate::cli::{Global, Lock};
use crate::output::say;

pub(crate) fn run(global: &Global, arguments: &Lock) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(!global.locked, "`lock --locked` asks to write a lock and not to");
    let session = session(global)?;
    let Some(name) = &arguments.server else {
        for group in sandbox::lock_tools(session.workspace.root(), &session.store)? {
            let (packages, size) = (group.lock.packages.len(), group.lock.size());
            say!(
                "{} {}: {packages} packages, {}",
                group.group,
                group.architecture,
                super::megabytes(size)
            );
            if !group.diff.is_empty() {
                say!("{}", group.diff);
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    let server = session.workspace.server(name)?;
    let path = server.definition_path();
    let Some(date) = arguments.date else {
        let relocked = pipeline::locking::relock(&session.store, &server, &arguments.update)?;
        return print(name, &relocked);
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
    print(name, &relocked?)
}

fn print(name: &str, relocked: &pipeline::locking::Relocked) -> anyhow::Result<ExitCode> {
    if !relocked.diff.is_empty() {
        say!("{}", relocked.diff);
    }
    let (packages, day) = (relocked.lock.packages.len(), relocked.lock.date);
    say!("{name}: {packages} packages of {day}, {}", super::megabytes(relocked.lock.size()));
    Ok(ExitCode::SUCCESS)
}
