//! Power cuts at every step of an update: a real server is staged, armed, tried, confirmed, rolled
//! back and collected, and whatever a cut at any moment leaves of its disk has to start a generation
//! from end to end: one that was confirmed, or the armed one on its only trial. What stands in
//! docs/explanation/power-cuts.md.
//!
//! ```text
//! cargo test -p heirloom-powercut -F slow --test updates                  on BIOS and on UEFI
//! cargo test -p heirloom-powercut -F slow --test updates -- --uefi        on one of them
//! cargo test -p heirloom-powercut -F slow --test updates -- --keep DIR    keeps image, log and record
//! cargo test -p heirloom-powercut -F slow --test updates -- --again DIR   judges them again
//! ```

mod data;
mod initramfs;
mod life;
mod record;
mod start;
mod survey;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use deploy::Agent;
use machine::Machine;
use powercut::{Plan, Replay, State};
use sandbox::Group;
use testbed::{Firmware, Online, Remote, Testbed};

use record::Record;
use survey::{Row, Survey};

const MIB: u64 = 1 << 20;
/// So many states of a step have their data partition checked: a second each.
const CHECKED: u64 = 20;
/// From a state of each step with such a word in its name a machine is started.
const BOOTED: [&str; 4] = ["arm, other", "confirm 3", "roll back", "fourth goes"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let folder = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1).map(PathBuf::from)
    };
    if has("--list") {
        println!("power_cuts_at_every_step_of_an_update: test");
        return ExitCode::SUCCESS;
    }
    let firmwares = match (has("--bios"), has("--uefi")) {
        (true, false) => vec![Firmware::Bios],
        (false, true) => vec![Firmware::Uefi],
        _ => vec![Firmware::Bios, Firmware::Uefi],
    };
    match run(&firmwares, folder("--keep").as_deref(), folder("--again").as_deref()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            println!("{failed} states failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How many states failed.
fn run(firmwares: &[Firmware], keep: Option<&Path>, again: Option<&Path>) -> Result<u64> {
    let testbed = Testbed::new("webserver")?;
    let mut failed = 0;
    for firmware in firmwares {
        let scratch = tempfile::tempdir()?;
        let name = match firmware {
            Firmware::Bios => "bios",
            Firmware::Uefi => "uefi",
        };
        let folder = keep.or(again).unwrap_or(scratch.path()).join(name);
        if again.is_none() {
            record(&testbed, *firmware, &folder, scratch.path())?;
        }
        let record: Record = serde_json::from_slice(&fs::read(folder.join("record.json"))?)?;
        ensure!(
            record.uefi == (*firmware == Firmware::Uefi),
            "it was recorded with other firmware"
        );
        let rows = judge(&testbed, &record, &folder, scratch.path())?;
        table(name, &record, &rows);
        failed += rows.iter().map(|row| row.failed).sum::<u64>();
    }
    Ok(failed)
}

fn record(testbed: &Testbed, firmware: Firmware, folder: &Path, scratch: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let (image, record) = life::record(testbed, firmware, &folder.join("log"), scratch)?;
    fs::copy(image, folder.join("image"))?;
    Ok(fs::write(folder.join("record.json"), serde_json::to_vec_pretty(&record)?)?)
}

fn judge(testbed: &Testbed, record: &Record, folder: &Path, scratch: &Path) -> Result<Vec<Row>> {
    let from = record.steps.first().context("nothing was done")?.begin;
    let plan = Plan { watch: 16 * MIB..272 * MIB, from, ..Plan::default() };
    println!("seed {}", plan.seed);
    let (image, log) = (folder.join("image"), folder.join("log"));
    let replay = Replay::open(&image, Some(record.size), &log, plan)?;
    let start = Instant::now();
    let mut survey = Survey::new(record);
    let mut rows = survey.all(&replay)?;
    println!("boot partitions, in {:?}", start.elapsed());

    let tools = testbed.tools(Group::Image)?;
    let booted: BTreeSet<u64> = record
        .steps
        .iter()
        .zip(&rows)
        .filter(|(step, _)| BOOTED.iter().any(|word| step.name.contains(word)))
        .filter_map(|(_, row)| row.torn.get(row.torn.len() / 2).copied())
        .collect();
    let mut seen = vec![0; rows.len()];
    for state in replay.states() {
        let state = state?;
        let step = record.step(state.cut());
        let row = &mut rows[step];
        let every = row.states / CHECKED + 1;
        let turn = seen[step] % every == 0;
        seen[step] += 1;
        let boot = booted.contains(&state.cut().number);
        if !turn && !boot {
            continue;
        }
        // One that fails here was counted before.
        let Ok(outcome) = survey.judge(&state) else { continue };
        row.checked += 1;
        // Every byte at the beginning of each step, and where a machine is started.
        let all = boot || row.checked == 1;
        if let Err(error) = data::check(&state, &outcome, record, &tools, scratch, all) {
            row.fail(state.cut(), &format!("{error:#}"));
        }
        if boot {
            row.booted += 1;
            let number = outcome.starts.armed.unwrap_or(outcome.starts.default);
            if let Err(error) = starts(&state, number, record, testbed, scratch) {
                row.fail(state.cut(), &format!("{error:#}"));
            }
        }
    }
    println!("data partitions, and machines, in {:?}", start.elapsed());
    Ok(rows)
}

/// A machine with this disk starts generation `number`, and is well.
fn starts(
    state: &State,
    number: u64,
    record: &Record,
    testbed: &Testbed,
    scratch: &Path,
) -> Result<()> {
    let disk = scratch.join("state");
    state.materialize(&disk)?;
    let firmware = if record.uefi { Firmware::Uefi } else { Firmware::Bios };
    let machine = Machine::new(&testbed.tools(Group::Qemu)?).disk(&disk);
    let machine = machine.firmware(firmware).forward(22);
    testbed.clients().forget_hosts()?;
    let server = Online::start(&machine, testbed.clients())?;
    let remote = Remote::new(testbed.clients(), server.port(22)?);
    let status = Agent::new(&remote).status()?;
    println!("started generation {:?} from {}", status.booted, state.cut());
    ensure!(status.booted == Some(number), "it started {:?}, not {number}", status.booted);
    server.cut();
    Ok(())
}

fn table(firmware: &str, record: &Record, rows: &[Row]) {
    println!(
        "\n{:<5} {:<26} {:>7} {:>7} {:>6} {:>5} {:>6} {:>6}  what is started",
        "", "step", "entries", "states", "FATs", "ext4", "booted", "failed"
    );
    for (step, row) in record.steps.iter().zip(rows) {
        let starts: Vec<_> =
            row.starts.iter().map(|(starts, states)| format!("{states} x {starts}")).collect();
        println!(
            "{firmware:<5} {:<26} {:>7} {:>7} {:>6} {:>5} {:>6} {:>6}  {}",
            step.name,
            step.end - step.begin,
            row.states,
            row.layouts,
            row.checked,
            row.booted,
            row.failed,
            starts.join("; ")
        );
    }
    for (step, row) in record.steps.iter().zip(rows) {
        for failure in &row.failures {
            println!("\nFAILED {firmware}, {}: {failure}", step.name);
        }
    }
}
