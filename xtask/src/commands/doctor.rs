//! `cargo xtask doctor`: whether this machine can build images.

use std::process::ExitCode;

use super::{print_json, session};
use crate::cli::{Global, Json};
use crate::output::say;

pub(crate) fn run(global: &Global, arguments: &Json) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let checks = sandbox::doctor::checks(session.store.cache_dir(), session.workspace.target());
    let well = checks.iter().all(|check| check.ok);
    if arguments.json {
        print_json(&checks)?;
    } else {
        for check in &checks {
            let mark = if check.ok { "ok" } else { "NO" };
            say!("{mark}  {:<30} {}", check.name, check.detail);
            if let Some(hint) = &check.hint {
                say!("    help: {hint}");
            }
        }
        say!("{}", if well { "this machine can build images" } else { "see the lines with NO" });
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
