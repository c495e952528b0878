//! `xtask verify`: two builds in different surroundings are the same, and what is not is found.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::workspace::{EPOCH, Workspace, has};
use crate::{SERVER, trial};

/// All that a generation and its disk image are made from and by way of.
const ARTEFACTS: [&str; 11] = [
    "lock",
    "init",
    "health check",
    "agent",
    "package tree",
    "package layer",
    "kernel",
    "initramfs",
    "config files",
    "config layer",
    "image",
];

const DIGEST: &str = "servers/webserver/server.digest";

pub(crate) fn all() -> Vec<Trial> {
    vec![
        trial("two_builds_in_different_surroundings_are_the_same_to_the_last_byte", verify),
        trial("verify_changes_no_lock_when_told_not_to", locked),
        trial("a_planted_difference_is_found_as_file_and_line_and_nothing_else_is", planted),
    ]
}

/// A workspace whose `server.digest` says nothing about the sources of this moment.
fn workspace() -> Result<Workspace> {
    let workspace = Workspace::new()?;
    let record = workspace.root().join(DIGEST);
    if record.exists() {
        std::fs::remove_file(record)?;
    }
    Ok(workspace)
}

fn verify() -> Result<()> {
    let workspace = workspace()?;
    let text = workspace.run(["verify", SERVER])?.succeeded()?;
    has(&text, &[&format!("same        {}\n", ARTEFACTS.join(", "))])?;
    has(&text, &[&format!("(epoch {EPOCH})"), "recorded    nothing"])?;
    ensure!(!workspace.root().join(DIGEST).exists(), "to verify is not to record");
    let left = workspace.target().join("heirloom/verify").join(SERVER);
    ensure!(!left.exists(), "two builds that are the same are not kept");
    Ok(())
}

fn locked() -> Result<()> {
    let workspace = workspace()?;
    workspace.write(DIGEST, &format!("generation = \"sha256:{}\"\nepoch = 1\n", "0".repeat(64)))?;
    let lock = "servers/webserver/server.lock";
    let text = workspace.read(lock)?;
    let (before, after) = text.split_once("request = \"sha256:").context("no request")?;
    let after = after.get(64..).context("no digest")?;
    let stale = format!("{before}request = \"sha256:{}{after}", "0".repeat(64));
    workspace.write(lock, &stale)?;
    let ran = workspace.run(["verify", SERVER, "--locked", "--offline"])?;
    ensure!(!ran.success, "a lock that does not belong to its definition was verified");
    has(&ran.stderr, &["server.lock of `webserver` does not answer"])?;
    ensure!(workspace.read(lock)? == stale, "the lock was changed");
    Ok(())
}

fn planted() -> Result<()> {
    let workspace = workspace()?;
    // A record of something else: found as well, and kept as it is.
    let record = format!("generation = \"sha256:{}\"\nepoch = {EPOCH}\n", "0".repeat(64));
    workspace.write(DIGEST, &record)?;
    let ran = workspace.run(["verify", SERVER, "--plant-clock", "--json"])?;
    ensure!(!ran.success, "the planted difference was not found");
    let verified: Value = serde_json::from_str(&ran.stdout).context(ran.stderr)?;
    ensure!(verified["compared"] == serde_json::json!(ARTEFACTS), "{verified}");
    ensure!(workspace.read(DIGEST)? == record, "to verify is not to record");

    let differences = verified["differences"].as_array().context("no differences")?;
    let names: Vec<_> = differences.iter().filter_map(|it| it["artefact"].as_str()).collect();
    ensure!(names == ["config files", "config layer", "image"], "{verified}");
    let lines = differences[0]["lines"].as_array().context("no lines")?;
    ensure!(lines.len() == 1, "{lines:?}");
    let line = lines[0].as_str().unwrap_or_default();
    ensure!(line.starts_with("/etc/planted-clock: line 1 is `"), "{line}");
    let times: Vec<u128> = line.split('`').filter_map(|word| word.parse().ok()).collect();
    ensure!(times.len() == 2 && times[0] != times[1], "{line}");
    // FAT has times of two seconds: a clock that was written there would have been seen too.
    ensure!(times[1] - times[0] > 2_000_000_000, "the clock stood still: {line}");
    Ok(())
}
