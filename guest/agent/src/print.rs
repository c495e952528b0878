//! What people read.

use std::fmt::Write;

use transfer::report::{GenerationReport, Listed, Status, TrialState};

use crate::audit::{Audit, What};

/// `heirloom status`.
pub fn status(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what:<11} {value}");
    };
    let number = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
    let default = status.default;
    line("server", &format!("{} ({})", status.server, status.board));
    let role = if status.booted == default { "the default" } else { "not the default" };
    let booted = format!("{} ({role}), {}", number(status.booted), status.generation);
    line("generation", &booted);
    if status.booted != default {
        line("default", &number(default));
    }
    if let Some(trial) = &status.trial {
        let reason = trial.reason.as_deref().unwrap_or("no reason is known");
        let state = match trial.state {
            TrialState::Armed => "is to be tried at the next boot".to_owned(),
            TrialState::Running => "is on trial".to_owned(),
            TrialState::Confirmed => "was confirmed".to_owned(),
            TrialState::Failed => format!("failed: {reason}"),
        };
        line("last trial", &format!("generation {} {state}", trial.number));
        for detail in &trial.lines {
            line("", &format!("  {detail}"));
        }
    }
    match &status.health {
        None => line("health", "not looked at yet"),
        Some(health) if health.healthy => line("health", "healthy"),
        Some(health) => {
            line("health", "NOT HEALTHY");
            for detail in &health.lines {
                line("", &format!("  {detail}"));
            }
        }
    }
    for what in &status.corrupted {
        line("DAMAGED", &format!("{what}: its blocks do not have their hashes"));
    }
    line("up", &format!("{} s", status.uptime));
    text
}

/// `heirloom list`.
pub fn list(listed: &Listed) -> String {
    let mut text = String::from("  N  generation    size      what\n");
    for it in &listed.generations {
        let (size, what) = (megabytes(it.size), marks(it).join(", "));
        let _ = writeln!(text, "{:>3}  {}  {size:<8}  {what}", it.number, it.generation.short());
    }
    let (data, boot) = (megabytes(listed.free_data), megabytes(listed.free_boot));
    let _ = writeln!(text, "room: {data} for generations, {boot} for their kernels");
    text
}

fn marks(it: &GenerationReport) -> Vec<String> {
    let mut marks = Vec::new();
    for (is, name) in [
        (it.default, "default"),
        (it.booted, "running"),
        (it.previous, "the one before"),
        (it.pinned, "pinned"),
    ] {
        if is {
            marks.push(name.to_owned());
        }
    }
    marks.extend(it.outcome.clone());
    if let Some(commit) = &it.commit {
        let short: String = commit.chars().take(12).collect();
        let more = if it.uncommitted { " and more" } else { "" };
        marks.push(format!("commit {short}{more}"));
    }
    marks.extend(it.built_by.as_ref().map(|who| format!("by {who}")));
    marks.extend(it.staged.clone());
    marks
}

/// `heirloom audit`.
pub fn audit(audit: &Audit) -> String {
    let mut text = String::new();
    for it in &audit.lost {
        let what = match it.what {
            What::Written => megabytes(it.size),
            What::Removed => "removed".into(),
        };
        let _ = writeln!(text, "{what:>10}  {}", it.path.display());
    }
    let lost = audit.lost.len();
    let _ = writeln!(text, "{lost} files are lost at the next boot; [state] in server.toml keeps");
    for name in &audit.unused {
        let _ = writeln!(text, "state/{name} is used by nothing in this generation; it stays");
    }
    text
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
