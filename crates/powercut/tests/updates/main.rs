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
//! ... -- --again DIR --seed 2 --only fat    other states; `ext4`, `machines`: what else is looked at
//! ```

mod data;
mod initramfs;
mod judge;
mod life;
mod machines;
mod record;
mod start;
mod survey;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use testbed::{Firmware, Testbed};

use record::Record;
use survey::Row;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let value = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1).map(String::as_str)
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
    let seed = value("--seed").map_or(Ok(1), str::parse);
    let run = seed.context("--seed takes a number").and_then(|seed| {
        let way =
            Way { keep: value("--keep"), again: value("--again"), only: value("--only"), seed };
        run(&firmwares, &way)
    });
    match run {
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

/// What is asked for.
struct Way<'a> {
    /// Where records are put.
    keep: Option<&'a str>,
    /// Where they are taken from.
    again: Option<&'a str>,
    /// Besides boot partitions this alone is looked at: `ext4`, `machines`, or `fat` for neither.
    only: Option<&'a str>,
    /// The plan's.
    seed: u64,
}

impl Way<'_> {
    fn does(&self, what: &str) -> bool {
        self.only.is_none_or(|only| only == what)
    }
}

/// How many states failed.
fn run(firmwares: &[Firmware], way: &Way<'_>) -> Result<u64> {
    let testbed = Testbed::new("webserver")?;
    let mut failed = 0;
    for firmware in firmwares {
        let scratch = tempfile::tempdir()?;
        let name = match firmware {
            Firmware::Bios => "bios",
            Firmware::Uefi => "uefi",
        };
        let folder = way.again.or(way.keep).map_or(scratch.path(), Path::new).join(name);
        if way.again.is_none() {
            record(&testbed, *firmware, &folder, scratch.path())?;
        }
        let record: Record = serde_json::from_slice(&fs::read(folder.join("record.json"))?)?;
        ensure!(
            record.uefi == (*firmware == Firmware::Uefi),
            "it was recorded with other firmware"
        );
        let rows = judge::judge(&testbed, &record, &folder, scratch.path(), way)?;
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

fn table(firmware: &str, record: &Record, rows: &[Row]) {
    println!(
        "\n{:<5} {:<26} {:>7} {:>7} {:>6} {:>5} {:>5} {:>3} {:>6}  what is started",
        "", "step", "entries", "states", "FATs", "ext4", "init", "up", "failed"
    );
    for (step, row) in record.steps.iter().zip(rows) {
        let starts: Vec<_> =
            row.starts.iter().map(|(starts, states)| format!("{states} x {starts}")).collect();
        println!(
            "{firmware:<5} {:<26} {:>7} {:>7} {:>6} {:>5} {:>5} {:>3} {:>6}  {}",
            step.name,
            step.end - step.begin,
            row.states,
            row.layouts,
            row.checked,
            row.started,
            row.up,
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
