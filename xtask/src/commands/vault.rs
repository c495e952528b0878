//! `cargo xtask vault`: copies exactly the files that a build of a server needs.

use std::process::ExitCode;

use sandbox::Group;

use super::{megabytes, session};
use crate::cli::{Global, Vault};
use crate::output::say;

pub(crate) fn run(global: &Global, arguments: &Vault) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    let lock = pipeline::locking::current(&session.store, &server, global.locked)?;
    let tools = session.tools()?;
    let mut items = lock.items();
    for group in Group::BUILD {
        items.extend(tools.locked(group)?.items());
    }
    items.sort_by_key(|item| item.digest);
    items.dedup_by_key(|item| item.digest);
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
