//! Linux's own FAT driver under power cuts: a server that changes its boot entries by shell.
//!
//! ```text
//! cargo test -p heirloom-powercut -F slow --test server -- --nocapture
//! ```

#![cfg(test)]

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use generation::cmdline::Boot;
use machine::Machine;
use powercut::{
    BootView, Choice, Choosing, DataView, Judge, Log, Partitions, Plan, Replay, State, Survey,
};
use sandbox::Group;
use testbed::{Online, Testbed};

const MIB: u64 = 1 << 20;
/// Where the server mounts its boot partition.
const BOOT: &str = "/run/boot";
const ENTRIES: &str = "loader/entries";
/// How often the entry is replaced.
const ROUNDS: u64 = 5;
/// So many states have their data partition checked: a tenth of a second each.
const CHECKED: usize = 60;

/// More than a cluster of 2 KiB.
fn text(number: u64) -> String {
    format!("generation {number}\n").repeat(300)
}

/// A shell command that writes that to an entry.
fn write(number: u64, name: &str) -> String {
    format!("yes 'generation {number}' | head -n 300 >{BOOT}/{ENTRIES}/{name}")
}

fn new_name(number: u64) -> String {
    format!("{ENTRIES}/replaced-{number}.conf")
}

/// The highest number whose entry is whole.
fn newest(view: &BootView) -> Option<u64> {
    (1..=ROUNDS).rev().find(|number| view.text(&new_name(*number)) == Some(text(*number)))
}

/// What systemd-boot would start, were there no other entry than that of the image.
fn choose(view: &BootView) -> Option<Choice> {
    let entry = view.text("loader/entries/heirloom-1.conf")?;
    let value = |key: &str| {
        let rest = entry.lines().find_map(|line| line.strip_prefix(key))?;
        Some(rest.trim().trim_start_matches('/').to_owned())
    };
    let generation = Boot::parse(&value("options ")?).ok()?.generation;
    let (kernel, initramfs) = (value("linux ")?, value("initrd ")?);
    Some(Choice { entry: "heirloom-1".into(), generation, kernel, initramfs })
}

/// What happened on the server, by positions in the log.
struct Recorded {
    /// From there on entries are replaced by new names; the first is in place.
    replacing: u64,
    /// Where the server has said that a number is in place.
    in_place: Vec<(u64, u64)>,
    /// From there on an entry is written anew under its name.
    rewriting: u64,
}

#[test]
fn a_new_name_survives_every_power_cut_and_a_rewritten_file_does_not() -> Result<()> {
    let testbed = Testbed::new("webserver")?;
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log");
    let machine = testbed.machine()?.record(&log).forward(22).forward(80);
    let recorded = record(&machine, &testbed, &log)?;

    let image = machine.image().context("the machine has no disk")?;
    let plan = Plan { watch: 16 * MIB..272 * MIB, from: recorded.replacing, ..Plan::default() };
    println!("seed {}", plan.seed);
    let replay = Replay::open(image, None, &log, plan)?;
    replaced(&replay, &recorded)?;
    rewritten(&replay, &recorded)?;

    let tools = testbed.tools(Group::Image)?;
    bootable(&replay, Judge::new(&choose), 1)?;
    let judge = Judge::new(&choose).with_data(&tools, folder.path());
    bootable(&replay, judge, replay.states().count() / CHECKED + 1)?;
    let end = replay.end()?;
    let partitions = Partitions::of(&end).map_err(anyhow::Error::msg)?;
    let data = DataView::open(&tools, &end, partitions.data, folder.path())?;
    let index = data.index().context("no index")?;
    let manifest = data.manifest(index.manifests[0].digest)?.context("no manifest")?;
    assert_eq!(data.corrupt(&manifest)?, Vec::<String>::new());
    boots(&replay, &testbed, folder.path())
}

fn record(machine: &Machine, testbed: &Testbed, log: &Path) -> Result<Recorded> {
    let server = Online::start(machine, testbed.clients())?;
    server.run(&format!("mkdir {BOOT} && mount -t vfat /dev/vda1 {BOOT}"))?;
    server.run(&format!("{}; {}; sync", write(1, "replaced-1.conf"), write(1, "same.conf")))?;
    let replacing = Log::position(log)?;
    let mut in_place = Vec::new();
    for number in 2..=ROUNDS {
        let directory = format!("{BOOT}/{ENTRIES}");
        let [old, new] = [number - 1, number].map(|number| format!("{BOOT}/{}", new_name(number)));
        server.run(&format!(
            "set -e; {}; sync {new} {directory}; rm {old}; sync {directory}",
            write(number, &format!("replaced-{number}.conf"))
        ))?;
        in_place.push((Log::position(log)?, number));
    }
    let rewriting = Log::position(log)?;
    let same = format!("{BOOT}/{ENTRIES}/same.conf");
    server.run(&format!("{}; sync {same} {BOOT}/{ENTRIES}", write(2, "same.conf")))?;
    server.cut();
    Ok(Recorded { replacing, in_place, rewriting })
}

fn view(state: &State) -> Result<BootView> {
    BootView::open(state, 16 * MIB..272 * MIB).map_err(anyhow::Error::msg)
}

/// In every state one of the entries is whole, and none that was said to be in place is lost.
fn replaced(replay: &Replay, recorded: &Recorded) -> Result<()> {
    let (start, mut states, mut seen) = (Instant::now(), 0, vec![0; ROUNDS as usize + 1]);
    for state in replay.states() {
        let state = state?;
        let promised = recorded.in_place.iter().rev();
        let promised = promised.clone().find(|(position, _)| *position <= state.cut().durable);
        let promised = promised.map_or(1, |(_, number)| *number);
        let newest = newest(&view(&state)?);
        ensure!(newest >= Some(promised), "{newest:?}, not {promised}, at {}", state.cut());
        seen[newest.unwrap_or(0) as usize] += 1;
        states += 1;
    }
    println!("replaced: {states} states in {:?}; newest whole entry {seen:?}", start.elapsed());
    ensure!(seen[1..].iter().all(|count| *count > 0), "an entry was never the newest: {seen:?}");
    Ok(())
}

/// What is truncated and written again is lost in some state: the harness finds what is wrong.
fn rewritten(replay: &Replay, recorded: &Recorded) -> Result<()> {
    let (mut states, mut lost) = (0, 0);
    for state in replay.states() {
        let state = state?;
        if state.cut().durable < recorded.rewriting {
            continue;
        }
        let found = view(&state)?.text(&format!("{ENTRIES}/same.conf"));
        lost += usize::from(found != Some(text(1)) && found != Some(text(2)));
        states += 1;
    }
    println!("rewritten: lost in {lost} of {states} states");
    ensure!(lost > 0, "rewriting in place was never seen to fail");
    Ok(())
}

/// Every `step`th state starts the server's generation.
fn bootable(replay: &Replay, mut judge: Judge<'_>, step: usize) -> Result<()> {
    let start = Instant::now();
    let survey = Survey::of(replay.states().step_by(step), &mut judge, |_, _| Ok(()))?;
    println!("bootable, in {:?}:\n{survey}", start.elapsed());
    ensure!(survey.failed == 0, "{survey}");
    Ok(())
}

/// The last state with a torn write is a disk that a machine starts from, with nothing failing.
fn boots(replay: &Replay, testbed: &Testbed, folder: &Path) -> Result<()> {
    let torn = |state: &State| state.cut().choosing == Choosing::Torn;
    let states = replay.states().filter_map(|state| state.ok().filter(torn));
    let state = states.last().context("nothing is torn")?;
    let disk = folder.join("state");
    state.materialize(&disk)?;
    let machine = Machine::new(&testbed.tools(Group::Qemu)?).disk(&disk).forward(22).forward(80);
    let server = Online::start(&machine, testbed.clients())?;
    println!("started from {}", state.cut());
    server.power_off()
}
