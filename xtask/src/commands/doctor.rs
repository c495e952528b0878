//! `cargo xtask doctor`: whether this machine can build images.

use std::path::Path;
use std::process::ExitCode;

use super::print_json;
use crate::options::Json;
use crate::output::say;

pub(crate) fn run(arguments: &Json) -> anyhow::Result<ExitCode> {
    // No session, which makes the folders that are looked at here.
    let workspace = definition::Workspace::load(Path::new("."))?;
    let cache = store::Options::from_environment()?.cache;
    let history = workspace.asks_history(std::env::var(definition::EPOCH_VARIABLE).ok().as_deref());
    let checks = sandbox::doctor::checks(&cache, workspace.target(), history);
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
