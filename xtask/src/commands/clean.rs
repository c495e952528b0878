//! `cargo xtask clean`: says what the caches hold and removes what no lock names.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{megabytes, print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Clean {
    /// Say what would go, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON: each cache with its bytes, and those that no lock needs.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Clean) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let caches = {
        let _spinner = progress::spinner("Reading", "locks and caches");
        pipeline::caches(&session)?
    };
    if !arguments.dry_run {
        let _spinner = progress::spinner("Removing", "what no lock names");
        caches.collect(&session)?;
    }
    if arguments.json {
        let shelves: Vec<_> = caches
            .shelves
            .iter()
            .map(|shelf| {
                json!({
                    "name": shelf.name, "folder": shelf.folder,
                    "bytes": shelf.bytes, "unneeded_bytes": shelf.unneeded,
                })
            })
            .collect();
        print_json(&json!({
            "workspaces": caches.workspaces, "caches": shelves, "removed": !arguments.dry_run,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let removed = if arguments.dry_run { "NOT NEEDED" } else { "REMOVED" };
    say!("{:<10} {:>10} {:>12}  FOLDER", "CACHE", "HELD", removed);
    for shelf in &caches.shelves {
        let (held, unneeded) = (megabytes(shelf.bytes), megabytes(shelf.unneeded));
        say!("{:<10} {held:>10} {unneeded:>12}  {}", shelf.name, shelf.folder.display());
    }
    Ok(ExitCode::SUCCESS)
}
