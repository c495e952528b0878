//! The table of docs/reference/machines.md.

use std::fmt::{self, Display};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::poor::{MACHINES, Poor};

/// The table stands between these.
const BEGIN: &str = "<!-- written by `cargo test -p webserver --test machines -- --all` -->\n";
const END: &str = "<!-- to here -->\n";

/// What became of a machine.
pub(crate) struct Row {
    pub(crate) machine: &'static Poor,
    pub(crate) result: Result<String>,
}

impl Row {
    pub(crate) fn is_well(&self) -> bool {
        self.result.is_ok()
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok(seen) => write!(f, "{}yes | {seen} |", head(self.machine)),
            Err(error) => {
                let text = format!("{error:#}");
                let line = text.lines().next().unwrap_or_default().replace('|', "/");
                write!(f, "{}NO | {line} |", head(self.machine))
            }
        }
    }
}

/// The columns that are known beforehand.
fn head(machine: &Poor) -> String {
    let pairs: Vec<String> =
        machine.qemu.chunks(2).map(|pair| format!("`--qemu \"{}\"`", pair.join(" "))).collect();
    let options = if pairs.is_empty() { "as it is".into() } else { pairs.join(" ") };
    format!("| {} | {options} | ", machine.name)
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/machines.md"))
}

/// The page before the table, the table, and what is behind it.
fn parts() -> Result<[String; 3]> {
    let text = fs::read_to_string(path())?;
    let (before, rest) = text.split_once(BEGIN).context("the page has no place for the table")?;
    let (table, after) = rest.split_once(END).context("the page does not say where it ends")?;
    Ok([before, table, after].map(str::to_owned))
}

/// Puts the rows into the table of the page; those of machines that were not tried now stay.
pub(crate) fn write(rows: &[Row]) -> Result<()> {
    let [before, table, after] = parts()?;
    let mut text = String::from(
        "| machine | `cargo xtask boot webserver` … | boots, healthy, reached, updated | seen |\n\
         |---|---|---|---|\n",
    );
    for machine in MACHINES {
        let head = head(machine);
        let kept = table.lines().find(|line| line.starts_with(&head)).map(str::to_owned);
        let tried = rows.iter().find(|row| row.machine.name == machine.name);
        let row = tried.map(ToString::to_string).or(kept);
        text.push_str(&row.unwrap_or_else(|| format!("{head}not tried | |")));
        text.push('\n');
    }
    Ok(fs::write(path(), format!("{before}{BEGIN}{text}{END}{after}"))?)
}

/// Whether the table that is committed has every machine, and no other, and none fails.
pub(crate) fn is_complete() -> Result<()> {
    let [_, table, _] = parts()?;
    let rows: Vec<&str> = table.lines().skip(2).collect();
    ensure!(rows.len() == MACHINES.len(), "{} rows, {} machines", rows.len(), MACHINES.len());
    for (row, machine) in rows.iter().zip(MACHINES) {
        let head = head(machine);
        ensure!(row.starts_with(&head), "the row\n{row}\nis not that of\n{head}");
        ensure!(!row[head.len()..].starts_with("NO"), "this machine does not do well:\n{row}");
    }
    Ok(())
}
