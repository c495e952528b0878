//! `cargo xtask vault`: copies exactly the files that a build of a server needs.

use std::process::ExitCode;

use super::{megabytes, session};
use crate::cli::{Global, Vault};
use crate::output::say;

pub(crate) fn run(global: &Global, arguments: &Vault) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    let items = pipeline::files(&session, &server)?;
    let made = store::vault::make(&session.store, &items, &arguments.dir)?;
    say!(
        "{}: {} files copied, {} there already, {} in all",
        arguments.dir.display(),
        made.copied,
        made.kept,
        megabytes(made.bytes),
    );
    Ok(ExitCode::SUCCESS)
}
