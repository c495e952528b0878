//! `cargo xtask list`: the servers of the workspace.

use std::process::ExitCode;

use super::{megabytes, print_json, session};
use crate::options::{Global, Json};
use crate::output::say;

pub(crate) fn run(global: &Global, arguments: &Json) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for (name, summary) in session.workspace.summaries() {
        match summary {
            Ok(summary) => lines.push((image_size(&session, name), summary)),
            Err(error) => failed.push(error),
        }
    }
    if arguments.json {
        let servers: Vec<_> = lines
            .iter()
            .map(|(image, summary)| serde_json::json!({"server": summary, "image_bytes": image}))
            .collect();
        print_json(&servers)?;
    } else {
        print(&lines);
    }
    // One broken definition hides none of the others, but the answer is not whole.
    let whole = failed.is_empty();
    for error in failed {
        eprintln!("{}", crate::report::render(&error.into()));
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Bytes of the disk image, if it was made.
fn image_size(session: &pipeline::Session, name: &str) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let image = session.images().join(format!("{name}.raw"));
    std::fs::metadata(image).ok().map(|metadata| metadata.blocks() * 512)
}

fn print(lines: &[(Option<u64>, definition::Summary)]) {
    say!(
        "{:<16} {:<18} {:<10} {:<12} {:>12} {:>10}  LOCKED",
        "SERVER",
        "DISTRIBUTION",
        "DATE",
        "BOARD",
        "DEFINITION",
        "IMAGE"
    );
    for (image, summary) in lines {
        let suite = summary.suite.as_deref().unwrap_or_default();
        say!(
            "{:<16} {:<18} {:<10} {:<12} {:>12} {:>10}  {}",
            summary.name,
            format!("{} {suite}", summary.distribution),
            summary.date.to_string(),
            summary.board,
            megabytes(summary.definition_bytes),
            image.map_or("none".to_owned(), megabytes),
            if summary.locked { "yes" } else { "no" },
        );
    }
}
