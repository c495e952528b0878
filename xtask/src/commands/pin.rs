//! `cargo xtask pin` and `unpin`: hold a package at a version, or let it go.

use std::process::ExitCode;

use clap::Args;
use definition::edit::{self, EditError};
use pipeline::locking;

use super::locked::OfServer;
use super::{print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Pin {
    /// The server, by the name of its crate.
    server: String,
    /// The package.
    package: String,
    /// The version to hold it at.
    version: String,
    /// Why; it is kept in server.toml.
    #[arg(long)]
    reason: String,
    /// Print the result as JSON: day, number of packages, bytes; what is added, removed, changed.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Unpin {
    /// The server, by the name of its crate.
    server: String,
    /// The package.
    package: String,
    /// Print the result as JSON: day, number of packages, bytes; what is added, removed, changed.
    #[arg(long)]
    json: bool,
}

pub(crate) fn pin(global: &Global, arguments: &Pin) -> anyhow::Result<ExitCode> {
    let Pin { server, package, version, reason, json } = arguments;
    change(global, server, package, *json, |text| edit::pin(text, package, version, reason))
}

pub(crate) fn unpin(global: &Global, arguments: &Unpin) -> anyhow::Result<ExitCode> {
    let Unpin { server, package, json } = arguments;
    change(global, server, package, *json, |text| edit::unpin(text, package))
}

/// Changes server.toml and the lock, or neither.
fn change(
    global: &Global,
    server: &str,
    package: &str,
    json: bool,
    edit: impl FnOnce(&str) -> Result<String, EditError>,
) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(!global.locked, "a pin changes the lock, and --locked forbids that");
    let session = session(global)?;
    let resolve = |store: &_, server: &_| locking::resolve_pin(store, server, package);
    let relocked = locking::change(&session, server, edit, resolve)?;
    if json {
        print_json(&OfServer::new(server, &relocked))?;
    } else if relocked.diff.is_empty() {
        say!("{server}: the lock stays as it is");
    } else {
        say!("{}", relocked.diff);
    }
    Ok(ExitCode::SUCCESS)
}
