//! `cargo xtask vault`: copies exactly the files that a build of a server needs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{megabytes, print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Vault {
    /// The server, by the name of its crate.
    server: String,
    /// The folder; what it has already is kept.
    dir: PathBuf,
    /// Print the result as JSON: files copied and kept, bytes of both.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Vault) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    let items = pipeline::files(&session, &server)?;
    let made = store::vault::make(&session.store, &items, &arguments.dir)?;
    if arguments.json {
        print_json(&json!({
            "server": server.name.as_str(), "dir": arguments.dir,
            "copied": made.copied, "kept": made.kept, "bytes": made.bytes,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "{}: {} files copied, {} there already, {} in all",
        arguments.dir.display(),
        made.copied,
        made.kept,
        megabytes(made.bytes),
    );
    Ok(ExitCode::SUCCESS)
}
