//! `cargo xtask new`: writes a server that builds and boots as it is.

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::session;
use crate::cli::{Global, New};
use crate::output::say;

pub(crate) fn run(global: &Global, arguments: &New) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (dir, files) = definition::new_server(&session.workspace, &arguments.name, today)?;
    for file in files {
        say!("wrote {}", file.strip_prefix(session.workspace.root()).unwrap_or(&file).display());
    }
    say!("next: put your key under {}/rootfs, then", shown(&dir, &session));
    say!("      cargo xtask image {0} && cargo xtask boot {0}", arguments.name);
    Ok(ExitCode::SUCCESS)
}

fn shown(dir: &std::path::Path, session: &pipeline::Session) -> String {
    dir.strip_prefix(session.workspace.root()).unwrap_or(dir).display().to_string()
}
