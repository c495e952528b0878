//! The web server on poor machines: each has to boot, be healthy, be reached, and take an update.
//!
//! ```text
//! cargo test -p webserver --test machines                 whether the table has all machines
//! cargo test -p webserver --test machines -- --all        tries all, and writes the table
//! cargo test -p webserver --test machines -- "one core"   those with these words in their name
//! ```

mod disks;
mod first_aid;
mod full;
mod lan;
mod poor;
mod table;
mod tried;

use std::process::ExitCode;

use anyhow::Result;

use poor::MACHINES;
use table::Row;
use tried::Ground;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    if has("--list") {
        println!("the_table_has_every_machine: test");
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let done = match (has("--all"), wanted.is_empty()) {
        (true, _) => try_all(|_| true),
        (false, false) => try_all(|name| wanted.iter().any(|word| name.contains(word.as_str()))),
        (false, true) => table::is_complete().map(|()| Vec::new()),
    };
    match done {
        Ok(rows) if rows.iter().all(Row::is_well) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tries the machines whose names are `chosen`, one after the other.
fn try_all(chosen: impl Fn(&str) -> bool) -> Result<Vec<Row>> {
    let testbed = testbed::Testbed::new("webserver")?;
    let ground = Ground::new(&testbed)?;
    let mut rows = Vec::new();
    for machine in MACHINES.iter().filter(|machine| chosen(machine.name)) {
        let row = Row { machine, result: (machine.run)(&ground, machine) };
        // The table has one line of it; the rest, the end of the console, is for who tries it.
        if let Err(error) = &row.result {
            eprintln!("{}: {error:#}", machine.name);
        }
        println!("{row}");
        rows.push(row);
        // One at a time: what was found out is kept, whatever comes of the others.
        table::write(&rows)?;
    }
    Ok(rows)
}
