//! Commands that are killed in the middle of a stage, and commands that come at the same time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::civil::Date;
use libtest_mimic::Trial;
use lock::Lock;
use pipeline::Report;
use sandbox::Group;
use store::Store;
use tempfile::TempDir;

use crate::undisturbed::{self, Expected, STAGES, Undisturbed};
use crate::workspace::{Ran, Workspace, repository};
use crate::{SERVER, results, trial};

/// How often a process that ended before it could be killed is started again.
const ATTEMPTS: u32 = 20;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        trial("killed_in_program_and_run_again_it_makes_the_same", || killed_in("program")),
        trial("killed_in_packages_and_run_again_it_makes_the_same", || killed_in("packages")),
        trial("killed_in_layer_and_run_again_it_makes_the_same", || killed_in("layer")),
        trial("killed_in_initramfs_and_run_again_it_makes_the_same", || killed_in("initramfs")),
        trial("killed_in_config_and_run_again_it_makes_the_same", || killed_in("config")),
        trial("killed_in_disk_and_run_again_it_makes_the_same", || killed_in("disk")),
        trial("killed_in_qcow2_and_run_again_it_makes_the_same", || killed_in("qcow2")),
        trial("killed_in_iso_and_run_again_it_makes_the_same", || killed_in("iso")),
        trial("killed_in_tar_and_run_again_it_makes_the_same", || killed_in("tar")),
        trial("killed_in_oci_and_run_again_it_makes_the_same", || killed_in("oci")),
        trial("killed_while_it_unpacks_tools_and_run_again_it_makes_the_same", killed_in_tools),
        trial("killed_while_it_locks_it_leaves_all_of_the_old_or_all_of_the_new", killed_in_lock),
        trial("a_definition_that_is_edited_while_it_is_locked_is_left_as_it_is", edited_meanwhile),
        trial("two_at_once_make_the_same_and_do_the_work_once", two_at_once),
    ]
}

/// Asserts that `image` in `workspace` now makes what the undisturbed build made, and that nothing
/// is left of what came before.
pub(crate) fn carries_on(
    undisturbed: &Undisturbed,
    expected: &Expected,
    workspace: &Workspace,
) -> Result<()> {
    let image = ["image", SERVER, "--json", "--format", expected.format];
    let report: Report = workspace.run(image)?.json()?;
    ensure!(report.generation == undisturbed.report.generation, "another generation");
    ensure!(results::digests(&report)? == expected.digests, "other bytes");
    for stage in STAGES {
        let left = results::unfinished(&workspace.stages(), stage)?;
        ensure!(left.is_empty(), "{left:?} is left");
    }
    let scratch = workspace.target().join("heirloom/scratch");
    ensure!(fs::read_dir(&scratch)?.next().is_none(), "something is left in the scratch");
    Ok(())
}

fn killed_in(stage: &str) -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let workspace = undisturbed.before(stage)?;
    let expected = undisturbed.expected(stage)?;
    let half = Duration::from_secs_f64(expected.seconds / 2.0);
    for moment in [Duration::ZERO, half] {
        kill(&workspace, stage, expected.format, moment)?;
    }
    carries_on(&undisturbed, &expected, &workspace)
}

/// Kills `image` when `moment` has passed since `stage` began.
fn kill(workspace: &Workspace, stage: &str, format: &str, moment: Duration) -> Result<()> {
    let before = results::finished(&workspace.stages(), stage)?;
    for attempt in 0..ATTEMPTS {
        let mut image = workspace
            .xtask(["image", SERVER, "--quiet", "--format", format])
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        if begins(workspace, stage, &mut image)? {
            // A machine that is faster now than it was is met by coming earlier.
            sleep(moment * (ATTEMPTS - attempt) / ATTEMPTS);
            image.kill()?;
        }
        let killed = image.wait()?.signal() == Some(rustix::process::Signal::KILL.as_raw());
        let mut finished = results::finished(&workspace.stages(), stage)?;
        finished.retain(|result| !before.contains(result));
        if killed && finished.is_empty() {
            return Ok(());
        }
        for result in finished {
            fs::remove_dir_all(result)?;
        }
    }
    bail!("`{stage}` was never caught at work")
}

/// Waits until `stage` is at work; false when the process ended before that was seen.
fn begins(workspace: &Workspace, stage: &str, image: &mut Child) -> Result<bool> {
    loop {
        if !results::unfinished(&workspace.stages(), stage)?.is_empty() {
            return Ok(true);
        }
        if image.try_wait()?.is_some() {
            return Ok(false);
        }
        sleep(Duration::from_millis(1));
    }
}

/// A cache of one's own with the packages of the tools that make disks, not unpacked yet.
pub(crate) fn packed_tools() -> Result<TempDir> {
    let real = Store::open(store::Options::from_environment()?)?;
    let tools = sandbox::Tools::open(repository(), &real)?;
    let lock = tools.locked(Group::Image)?;
    real.fetch(&lock.items())?;
    let cache = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let store = Store::open(store::Options::bare(cache.path()))?;
    for package in &lock.packages {
        store.put(File::open(real.path(package.sha256))?)?;
    }
    Ok(cache)
}

fn killed_in_tools() -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let cache = packed_tools()?;
    let workspace = undisturbed.twin(&["disk"])?;
    let image = || {
        let mut command = workspace.xtask(["image", SERVER, "--json", "--quiet", "--offline"]);
        command.env("HEIRLOOM_CACHE", cache.path()).stdout(Stdio::piped());
        command
    };
    let tools = cache.path().join("tools");
    let in_the_making = || {
        let entries = fs::read_dir(&tools).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b".part-")).count()
    };
    for moment in [0, 300] {
        let mut command = image().spawn()?;
        while in_the_making() == 0 {
            ensure!(command.try_wait()?.is_none(), "it was never caught at work");
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(moment));
        command.kill()?;
        command.wait()?;
        ensure!(in_the_making() == 1, "it was done already, or left more than its own");
    }
    let report: Report = Ran::from(image().output()?).json()?;
    ensure!(results::digests(&report)? == undisturbed.digests, "other bytes");
    let mut left: Vec<_> = fs::read_dir(&tools)?.flatten().map(|it| it.file_name()).collect();
    left.sort();
    let [group, lock] = &*left else { bail!("{left:?} is left") };
    ensure!(group.as_encoded_bytes().starts_with(b"image-") && lock == "lock", "{left:?} is left");
    Ok(())
}

/// server.toml and server.lock.
type Both = [String; 2];

fn killed_in_lock() -> Result<()> {
    let files = ["servers/webserver/server.toml", "servers/webserver/server.lock"];
    let workspace = Workspace::of_final_suite()?;
    let read = || -> Result<Both> { Ok([workspace.read(files[0])?, workspace.read(files[1])?]) };
    let write = |both: &Both| -> Result<()> {
        files.iter().zip(both).try_for_each(|(file, text)| workspace.write(file, text))
    };
    workspace.run(["lock", SERVER])?.succeeded()?;
    let old = read()?;
    let version = Lock::read(&workspace.root().join(files[1]))?;
    let version = version.package("nginx").context("nginx is not locked")?.version.clone();
    let day = old[0].lines().find_map(|line| line.strip_prefix("date = ")).context("no date")?;
    let day: Date = day.trim_matches('"').parse()?;
    let earlier = day.yesterday()?.to_string();

    // The definition was changed by hand: only the lock is written.
    workspace.replace(files[0], "[\"nginx\"]", "[\"nginx\", \"rsync\"]")?;
    let edited = [workspace.read(files[0])?, old[1].clone()];
    for (before, command) in [
        (&edited, ["lock", SERVER].as_slice()),
        (&old, &["lock", SERVER, "--date", &earlier]),
        (&old, &["pin", SERVER, "nginx", &version, "--reason", "a test"]),
    ] {
        write(before)?;
        let start = Instant::now();
        workspace.run(command)?.succeeded()?;
        let whole = start.elapsed();
        let after = read()?;
        ensure!(after != *before, "{command:?} does nothing");
        for part in 1..=5 {
            write(before)?;
            let mut child =
                workspace.xtask(command).arg("--quiet").stdout(Stdio::null()).spawn()?;
            sleep(whole * part / 5);
            child.kill()?;
            child.wait()?;
            let left = read()?;
            let whole = left == *before || left == after;
            ensure!(whole, "half of {command:?} is left:\n{}", left[0]);
        }
        write(before)?;
        workspace.run(command)?.succeeded()?;
        ensure!(read()? == after, "{command:?} comes to something else");
    }
    Ok(())
}

/// Whoever edits server.toml while its packages are resolved loses nothing.
fn edited_meanwhile() -> Result<()> {
    let toml = "servers/webserver/server.toml";
    let workspace = Workspace::of_final_suite()?;
    let lock = workspace.read("servers/webserver/server.lock")?;
    let before = workspace.read(toml)?;
    let earlier = ["lock", SERVER, "--date", "2026-11-20"];
    let mut whole = Duration::ZERO;
    // The first time, Cargo may have to compile the resolver: the second says how long it takes.
    for _ in 0..2 {
        let start = Instant::now();
        workspace.run(earlier)?.succeeded()?;
        whole = start.elapsed();
        workspace.write(toml, &before)?;
        workspace.write("servers/webserver/server.lock", &lock)?;
    }

    let child = workspace.xtask(earlier).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    sleep(whole / 2);
    let edited = format!("{before}# edited\n");
    workspace.write(toml, &edited)?;
    let text = Ran::from(child.wait_with_output()?).failed()?;
    ensure!(text.contains("server.toml` was changed meanwhile"), "{text}");
    ensure!(text.contains("help: nothing was written"), "{text}");
    ensure!(workspace.read(toml)? == edited, "the edit is lost");
    ensure!(workspace.read("servers/webserver/server.lock")? == lock);
    Ok(())
}

fn two_at_once() -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let workspace = undisturbed.twin(&["packages", "layer", "initramfs", "config", "disk"])?;
    let start = || {
        let mut command = workspace.xtask(["image", SERVER, "--json", "--quiet"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let (one, other) = (start()?, start()?);
    let mut runs = BTreeMap::<String, u32>::new();
    for command in [one, other] {
        let report: Report = Ran::from(command.wait_with_output()?).json()?;
        ensure!(report.generation == undisturbed.report.generation, "another generation");
        ensure!(results::digests(&report)? == undisturbed.digests, "other bytes");
        for stage in report.stages {
            *runs.entry(stage.stage).or_default() += u32::from(!stage.hit);
        }
    }
    let once = ["config", "disk", "initramfs", "layer", "packages"].map(|it| (it.to_owned(), 1));
    let expected = once.into_iter().chain([("program".to_owned(), 0)]).collect();
    ensure!(runs == expected, "how often each stage ran: {runs:?}");
    carries_on(&undisturbed, &undisturbed.expected("disk")?, &workspace)
}
