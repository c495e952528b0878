//! Disks that are full when a stage wants to write.
//!
//! In a mount namespace of its own, which goes with the command, the stage's folder is a file
//! system of a few pages.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use rustix::mount::{MountFlags, mount};
use sandbox::{Job, JobFailure, in_namespace};
use serde::{Deserialize, Serialize};

use crate::interrupted::carries_on;
use crate::workspace::{EPOCH, XTASK, has};
use crate::{SERVER, trial, undisturbed};

/// What the small file system takes: no stage's result is so small.
const ROOM: &CStr = c"size=64k";

pub(crate) fn all() -> Vec<Trial> {
    // The namespace of the test has an ordinary user's ids in two ranges, and the packages' own
    // inside of it wants them in one.
    let in_one_range = rustix::process::geteuid().is_root();
    vec![
        trial("a_full_disk_in_program_is_told_and_does_no_harm", || full_in("program")),
        trial("a_full_disk_in_packages_is_told_and_does_no_harm", || full_in("packages"))
            .with_ignored_flag(!in_one_range),
        trial("a_full_disk_in_layer_is_told_and_does_no_harm", || full_in("layer")),
        trial("a_full_disk_in_initramfs_is_told_and_does_no_harm", || full_in("initramfs")),
        trial("a_full_disk_in_config_is_told_and_does_no_harm", || full_in("config")),
        trial("a_full_disk_in_disk_is_told_and_does_no_harm", || full_in("disk")),
    ]
}

/// `image` where `full` has hardly any room.
#[derive(Serialize, Deserialize)]
pub(crate) struct OnFullDisk {
    workspace: PathBuf,
    target: PathBuf,
    full: PathBuf,
    environment: BTreeMap<String, String>,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Outcome {
    success: bool,
    stderr: String,
    /// Names in the small file system afterwards.
    left: Vec<String>,
}

impl Job for OnFullDisk {
    const NAME: &'static str = "image on a full disk";
    type Output = Outcome;

    fn run(self) -> Result<Outcome, JobFailure> {
        mount("tmpfs", &self.full, "tmpfs", MountFlags::empty(), ROOM)?;
        let output = Command::new(XTASK)
            .args(["image", SERVER, "--offline", "--quiet"])
            .current_dir(&self.workspace)
            .env_clear()
            .envs(&self.environment)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_NET_OFFLINE", "true")
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .stdin(Stdio::null())
            .output()?;
        let mut left = Vec::new();
        for entry in fs::read_dir(&self.full)? {
            left.push(entry?.file_name().to_string_lossy().into_owned());
        }
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(Outcome { success: output.status.success(), stderr, left })
    }
}

fn full_in(stage: &str) -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let workspace = undisturbed.twin(&[stage])?;
    let full = workspace.stages().join(stage);
    fs::create_dir_all(&full)?;
    // All that a user's own environment says of where cargo and the store are.
    let environment = std::env::vars().filter(|(name, _)| {
        ["PATH", "HOME", "XDG_CACHE_HOME", "HEIRLOOM_CACHE", "CARGO_HOME", "RUSTUP_HOME"]
            .contains(&name.as_str())
    });
    let outcome = in_namespace(&OnFullDisk {
        workspace: workspace.root(),
        target: workspace.target(),
        full,
        environment: environment.collect(),
    })?;
    ensure!(!outcome.success, "there was room enough");
    has(&outcome.stderr, &[&format!("error: could not make the {stage} of `"), "No space left"])?;
    let kept = outcome.left.iter().filter(|name| !name.ends_with(".lock")).collect::<Vec<_>>();
    ensure!(kept.is_empty(), "{kept:?} was left in the full disk");

    if stage == "program" {
        // Compiling all of it anew would prove nothing more.
        undisturbed.give_programs(&workspace)?;
    }
    carries_on(&undisturbed, &workspace)
}
