//! A module for each command, and what several of them print.

pub(crate) mod bench;
pub(crate) mod boot;
pub(crate) mod clean;
pub(crate) mod compare_packages;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod flash;
pub(crate) mod generations;
pub(crate) mod image;
pub(crate) mod install;
pub(crate) mod list;
pub(crate) mod lock;
mod locked;
pub(crate) mod new;
pub(crate) mod outdated;
pub(crate) mod pin;
pub(crate) mod rescue;
pub(crate) mod rollback;
pub(crate) mod vault;
pub(crate) mod verify;

use std::path::Path;

use ::deploy::disk::Survey;
use anyhow::Context;
use pipeline::{Options, Session};

use crate::options::Global;

fn options(global: &Global) -> Options {
    Options {
        offline: global.offline,
        locked: global.locked,
        vaults: global.vault.clone(),
        ..Options::default()
    }
}

/// The session of the workspace that the command was started in.
fn session(global: &Global) -> anyhow::Result<Session> {
    open(&options(global))
}

fn open(options: &Options) -> anyhow::Result<Session> {
    let session = Session::open(Path::new("."), options)?;
    let scratch = session.cache.root().join("scratch");
    std::fs::create_dir_all(&scratch)
        .with_context(|| format!("could not make the folder `{}`", scratch.display()))?;
    sandbox::set_scratch_parent(scratch);
    Ok(session)
}

/// A size for people: `170 MB`.
fn megabytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// Asks whether a disk may be overwritten, and shows what would be lost.
fn confirm(disk: &Survey, description: &str, yes: bool) -> anyhow::Result<()> {
    use std::io::{BufRead, IsTerminal};

    eprintln!("everything on this disk will be lost:");
    eprintln!("  {description}");
    for line in &disk.contents {
        eprintln!("  {}", line.escape_debug());
    }
    if yes {
        return Ok(());
    }
    let mut answer = String::new();
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        eprintln!("overwrite it? Type `yes`:");
        stdin.lock().read_line(&mut answer)?;
    }
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(::deploy::Error::NotConfirmed { device: disk.path.clone() }.into())
}

/// The generations that this workspace has sent or written to a medium.
fn kept(session: &Session) -> anyhow::Result<::deploy::Kept> {
    Ok(::deploy::Kept::open(&session.cache.root().join("deployed"))?)
}

/// Prints `value` to standard output as JSON.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    crate::output::write(&serde_json::to_string_pretty(value)?);
    Ok(())
}
