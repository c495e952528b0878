//! Disks that are full when something is to be written.
//!
//! In a mount namespace of its own, which goes with the command, the folder is a file system of a
//! few pages.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use digest::Digest;
use libtest_mimic::Trial;
use pipeline::Record;
use rustix::mount::{MountFlags, mount, mount_bind};
use sandbox::{Job, JobFailure, in_namespace};
use serde::{Deserialize, Serialize};

use crate::interrupted::{carries_on, packed_tools};
use crate::workspace::{EPOCH, Workspace, XTASK, has};
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
        trial("a_full_disk_in_qcow2_is_told_and_does_no_harm", || full_in("qcow2")),
        trial("a_full_disk_in_iso_is_told_and_does_no_harm", || full_in("iso")),
        trial("a_full_disk_in_tar_is_told_and_does_no_harm", || full_in("tar"))
            .with_ignored_flag(!in_one_range),
        trial("a_full_disk_in_oci_is_told_and_does_no_harm", || full_in("oci"))
            .with_ignored_flag(!in_one_range),
        trial("a_full_scratch_is_told_and_does_no_harm", full_scratch)
            .with_ignored_flag(!in_one_range),
        trial("a_full_disk_under_tools_is_told_and_does_no_harm", full_tools),
        trial("a_lock_on_a_full_disk_stays_as_it_was", full_lock),
        trial("a_record_on_a_full_disk_stays_as_it_was", full_record),
    ]
}

/// `xtask` where `full` has hardly any room.
#[derive(Serialize, Deserialize)]
pub(crate) struct OnFullDisk {
    arguments: Vec<String>,
    workspace: PathBuf,
    target: PathBuf,
    full: PathBuf,
    /// A file in `full`. If there is one, all that is in `full` stays there; else it is empty.
    file: Option<String>,
    environment: BTreeMap<String, String>,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Outcome {
    success: bool,
    stderr: String,
    /// Names in the small file system afterwards.
    left: Vec<String>,
    /// What is in the file.
    file: Option<String>,
}

impl Job for OnFullDisk {
    const NAME: &'static str = "xtask on a full disk";
    type Output = Outcome;

    fn run(self) -> Result<Outcome, JobFailure> {
        match &self.file {
            Some(_) => fill(&self.full, &self.target)?,
            None => mount("tmpfs", &self.full, "tmpfs", MountFlags::empty(), ROOM)?,
        }
        let output = Command::new(XTASK)
            .args(&self.arguments)
            .args(["--offline", "--quiet"])
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
        left.sort();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let file = self.file.map(|name| fs::read_to_string(self.full.join(name))).transpose()?;
        Ok(Outcome { success: output.status.success(), stderr, left, file })
    }
}

/// Puts a file system that has no page left under the files of `folder`.
fn fill(folder: &Path, target: &Path) -> std::io::Result<()> {
    let disk = target.join("full");
    let copy = disk.join("copy");
    fs::create_dir_all(&disk)?;
    mount("tmpfs", &disk, "tmpfs", MountFlags::empty(), c"size=4m")?;
    copy_tree(folder, &copy)?;
    let mut filler = File::create(disk.join("filler"))?;
    while filler.write_all(&[1; 4096]).is_ok() {}
    Ok(mount_bind(&copy, folder)?)
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_tree(&source, &target)?;
        } else if entry.file_type()?.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

impl OnFullDisk {
    fn new(workspace: &Workspace, full: &Path, arguments: &[&str]) -> Self {
        // All that a user's own environment says of where cargo and the store are.
        let environment = std::env::vars().filter(|(name, _)| {
            ["PATH", "HOME", "XDG_CACHE_HOME", "HEIRLOOM_CACHE", "CARGO_HOME", "RUSTUP_HOME"]
                .contains(&name.as_str())
        });
        Self {
            arguments: arguments.iter().map(ToString::to_string).collect(),
            workspace: workspace.root(),
            target: workspace.target(),
            full: full.to_owned(),
            file: None,
            environment: environment.collect(),
        }
    }

    /// What `xtask` complains of, with all of `expected`, when it leaves nothing behind but locks.
    fn complains(&self, expected: &[&str]) -> Result<()> {
        fs::create_dir_all(&self.full)?;
        let outcome = in_namespace(self)?;
        ensure!(!outcome.success, "there was room enough");
        has(&outcome.stderr, expected)?;
        has(&outcome.stderr, &["No space left"])?;
        let is_lock = |name: &&String| !(name.ends_with(".lock") || *name == "lock");
        let kept = outcome.left.iter().filter(is_lock).collect::<Vec<_>>();
        ensure!(kept.is_empty(), "{kept:?} was left in the full disk");
        Ok(())
    }

    /// The same where `name` cannot be written anew: it and its neighbours stay as they are.
    fn keeps(mut self, name: &str, expected: &[&str]) -> Result<()> {
        let old = fs::read_to_string(self.full.join(name))?;
        let mut before: Vec<_> = fs::read_dir(&self.full)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<std::io::Result<_>>()?;
        before.sort();
        self.file = Some(name.to_owned());
        let outcome = in_namespace(&self)?;
        ensure!(!outcome.success, "there was room enough");
        has(&outcome.stderr, expected)?;
        has(&outcome.stderr, &["No space left"])?;
        ensure!(outcome.file.as_ref() == Some(&old), "{name} is now {:?}", outcome.file);
        ensure!(outcome.left == before, "{:?} is left", outcome.left);
        Ok(())
    }
}

fn full_in(stage: &str) -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let expected = undisturbed.expected(stage)?;
    let workspace = undisturbed.twin(&[stage])?;
    let full = workspace.stages().join(stage);
    let image = ["image", SERVER, "--format", expected.format];
    let complaint = format!("error: could not make the {stage} of `");
    OnFullDisk::new(&workspace, &full, &image).complains(&[&complaint])?;
    if stage == "program" {
        // Compiling all of it anew would prove nothing more.
        undisturbed.give_programs(&workspace)?;
    }
    carries_on(&undisturbed, &expected, &workspace)
}

/// The package tree's own room, on a disk because there is no memory for it.
fn full_scratch() -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let workspace = undisturbed.twin(&["packages"])?;
    let full = workspace.target().join("heirloom/scratch");
    let image = ["image", SERVER, "--strange-surroundings"];
    OnFullDisk::new(&workspace, &full, &image)
        .complains(&["error: could not make the packages of `"])?;
    carries_on(&undisturbed, &undisturbed.expected("packages")?, &workspace)
}

fn full_tools() -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let workspace = undisturbed.twin(&["disk"])?;
    let cache = packed_tools()?;
    let mut job = OnFullDisk::new(&workspace, &cache.path().join("tools"), &["image", SERVER]);
    let place = cache.path().to_string_lossy().into_owned();
    job.environment.insert("HEIRLOOM_CACHE".to_owned(), place);
    job.complains(&["error: could not make the disk of `"])?;
    carries_on(&undisturbed, &undisturbed.expected("disk")?, &workspace)
}

fn full_lock() -> Result<()> {
    let workspace = Workspace::of_final_suite()?;
    workspace.run(["lock", SERVER])?.succeeded()?;
    let folder = workspace.root().join("servers").join(SERVER);
    workspace.replace("servers/webserver/server.toml", "[\"nginx\"]", "[\"nginx\", \"rsync\"]")?;
    let job = OnFullDisk::new(&workspace, &folder, &["lock", SERVER]);
    job.keeps("server.lock", &["error: cannot write the lock "])?;
    workspace.run(["lock", SERVER, "--offline"])?.succeeded()?;
    has(&workspace.read("servers/webserver/server.lock")?, &["name = \"rsync\""])
}

fn full_record() -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let workspace = undisturbed.twin(&[])?;
    let folder = workspace.root().join("servers").join(SERVER);
    let path = folder.join("server.digest");
    let record = Record { generation: Digest::of("another"), epoch: 7, packages: None };
    record.write(&path, SERVER)?;
    let job = OnFullDisk::new(&workspace, &folder, &["image", SERVER]);
    job.keeps("server.digest", &["server.digest"])?;
    carries_on(&undisturbed, &undisturbed.expected("disk")?, &workspace)?;
    let now = Record::read(&path)?.map(|record| record.generation);
    ensure!(now == Some(undisturbed.report.generation), "the record is of {now:?}");
    Ok(())
}
