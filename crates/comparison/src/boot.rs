//! A row's packages as a server: its image boots in QEMU, and no unit fails.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use testbed::{Online, Testbed};

use crate::list::{List, Row};

/// The server of the workspace whose folder is taken, in a copy: of its definition nothing stays
/// but the roles, of its checks those of the roles.
const SERVER: &str = "webserver";

/// Its checks: what a fresh server has.
const CHECKS: &str = "//! The checks of a server that was just made.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
    })
}
";

/// Room for what a row of servers wants, in MiB: they all run at once.
const MEMORY: u32 = 3072;

/// A unit that has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its name.
    pub unit: String,
    /// The end of what its programs said, and systemd of it.
    pub said: Vec<String>,
}

impl Failed {
    /// Its name, and the last that a program of it said.
    pub fn last(&self) -> (String, String) {
        let of_program = self.said.iter().rev().find(|line| !line.starts_with(OF_SYSTEMD));
        let said = of_program.or(self.said.last()).cloned().unwrap_or_default();
        (self.unit.clone(), said.chars().take(LONGEST).collect())
    }
}

/// What begins a line that systemd said of a unit.
const OF_SYSTEMD: &str = "systemd: ";

/// The longest line that is kept.
const LONGEST: usize = 160;

/// Patience for machines without KVM, and beside other work: a unit whose own time is not up has not
/// failed.
const TIMEOUT: &str = "systemd.default_timeout_start_sec=600";

/// The units that have failed when the server of a definition has come up; none when it is well.
///
/// # Errors
/// When the image cannot be built, or does not come up at all.
pub fn failed_units(definition: &str) -> Result<Vec<Failed>> {
    let testbed = Testbed::new(SERVER)?;
    testbed.define(definition, CHECKS)?;
    let machine = testbed.machine()?.forward(22).memory(MEMORY);
    let mut server = Online::switch_on(&machine, testbed.clients())?;
    let mut failed = Vec::new();
    for line in server.failed_units()? {
        let unit = line.split_whitespace().next().unwrap_or_default().to_owned();
        let said = said(&server.run(&format!(
            "journalctl --boot --unit='{unit}' --lines=30 --output=json \
             --output-fields=SYSLOG_IDENTIFIER,MESSAGE"
        ))?);
        failed.push(Failed { unit, said });
    }
    server.cut();
    Ok(failed)
}

/// The lines of a journal, each with who said it. What is no text is left out.
fn said(journal: &str) -> Vec<String> {
    let line = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| entry.get(name)?.as_str().map(str::to_owned);
        Some(format!("{}: {}", text("SYSLOG_IDENTIFIER")?, text("MESSAGE")?))
    };
    journal.lines().filter_map(line).collect()
}

/// The server.toml of a row.
pub fn definition(list: &List, row: &Row, recommends: bool) -> String {
    let installed = row.install.iter().filter(|package| !row.unbooted.contains_key(*package));
    let installed: Vec<String> = installed.map(|package| format!("{package:?}")).collect();
    let mut text = format!(
        "hostname = \"measured\"\nboard = \"pc\"\n\n[archive]\ndistribution = \"debian\"\n\
         suite = \"{}\"\npockets = []\ndate = \"{}\"\n\n[packages]\ninstall = [{}]\nrecommends = {recommends}\n\n\
         [kernel]\ncmdline = [\"{TIMEOUT}\"]\n",
        list.suite,
        list.date,
        installed.join(", "),
    );
    if !row.debconf.is_empty() {
        text.push_str("\n[debconf]\n");
        for (question, answer) in &row.debconf {
            text.push_str(&format!("{question:?} = {answer:?}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_unit_that_failed_the_last_is_kept_that_a_program_said() {
        let journal = "{\"SYSLOG_IDENTIFIER\":\"nginx\",\"MESSAGE\":\"the port is taken\"}\n\
                       {\"SYSLOG_IDENTIFIER\":\"nginx\",\"MESSAGE\":[1,2]}\n\
                       {\"SYSLOG_IDENTIFIER\":\"systemd\",\"MESSAGE\":\"nginx.service failed\"}\n";
        let failed = Failed { unit: "nginx.service".to_owned(), said: said(journal) };
        assert_eq!(failed.said.len(), 2);
        assert_eq!(failed.last().1, "nginx: the port is taken");
    }
}
