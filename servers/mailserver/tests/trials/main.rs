//! Updates of a running mail server, good ones and bad ones, on its real image in QEMU: whatever is
//! wrong with a new generation, the server is back on the old one by itself, says why, and has its
//! mail.
//!
//! ```text
//! cargo test -p mailserver --test trials              a few, on BIOS
//! cargo test -p mailserver --test trials -- --all     all, on BIOS and on UEFI; an hour
//! cargo test -p mailserver --test trials -- --uefi hang
//! ```

mod boot_partition;
#[path = "../client/mod.rs"]
mod client;
mod damage;
mod faults;
mod ground;
mod initramfs;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use faults::FAULTS;
use ground::Ground;
use testbed::Firmware;

/// What is tried without arguments.
const QUICK: [&str; 3] = ["good update", "failing service", "corrupted layer"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen = |name: &str| match (has("--all"), wanted.is_empty()) {
        (true, _) => true,
        (_, true) => QUICK.contains(&name),
        _ => wanted.iter().any(|word| name.contains(word.as_str())),
    };
    let firmwares = match (has("--all"), has("--uefi")) {
        (true, _) => vec![Firmware::Bios, Firmware::Uefi],
        (_, true) => vec![Firmware::Uefi],
        _ => vec![Firmware::Bios],
    };
    if has("--list") {
        FAULTS.iter().for_each(|fault| println!("{}: test", fault.name));
        return ExitCode::SUCCESS;
    }
    let mut rows = Vec::new();
    for firmware in firmwares {
        let names = FAULTS.iter().filter(|fault| chosen(fault.name));
        if let Err(error) = run(firmware, names, &mut rows) {
            rows.push(Row::new(firmware, "(the server itself)", Err(error), Instant::now()));
        }
    }
    table(&rows)
}

/// One line of the table.
struct Row {
    firmware: &'static str,
    name: &'static str,
    seconds: u64,
    result: Result<String>,
}

impl Row {
    fn new(firmware: Firmware, name: &'static str, result: Result<String>, start: Instant) -> Self {
        let firmware = match firmware {
            Firmware::Bios => "BIOS",
            Firmware::Uefi => "UEFI",
        };
        Self { firmware, name, seconds: start.elapsed().as_secs(), result }
    }
}

/// All of `faults`, one after the other, on one server.
fn run<'a>(
    firmware: Firmware,
    faults: impl Iterator<Item = &'a faults::Fault>,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let testbed = ground::testbed()?;
    let mut ground = Ground::new(&testbed, firmware)?;
    for fault in faults {
        let start = Instant::now();
        ground.mark();
        let result = (fault.run)(&mut ground);
        let failed = result.is_err();
        rows.push(Row::new(firmware, fault.name, result, start));
        let row = &rows[rows.len() - 1];
        eprintln!("{} {} {} s: {:?}", row.firmware, row.name, row.seconds, row.result);
        if failed {
            eprintln!("{}", ground.last_words());
            // The next one begins with a new machine.
            ground = Ground::new(&testbed, firmware)?;
        }
    }
    Ok(())
}

fn table(rows: &[Row]) -> ExitCode {
    println!("\nfirmware  {:<24} {:>5}  what became of it", "update", "s");
    for row in rows {
        let Row { firmware, name, seconds, result } = row;
        let what = match result {
            Ok(what) => what.clone(),
            Err(error) => format!("FAILED: {error:#}"),
        };
        println!("{firmware:<9} {name:<24} {seconds:>5}  {what}");
    }
    let failed = rows.iter().filter(|row| row.result.is_err()).count();
    println!("\n{} passed, {failed} failed", rows.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
