//! A row's packages as a server: its image boots in QEMU, and no unit fails.

use anyhow::Result;
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

/// The units that have failed when the server of a definition has come up; none when it is well.
///
/// # Errors
/// When the image cannot be built, or does not come up at all.
pub fn failed_units(definition: &str) -> Result<Vec<String>> {
    let testbed = Testbed::new(SERVER)?;
    testbed.define(definition, CHECKS)?;
    let machine = testbed.machine()?.forward(22).memory(MEMORY);
    let mut server = Online::switch_on(&machine, testbed.clients())?;
    let failed = server.failed_units()?;
    server.cut();
    Ok(failed)
}

/// The server.toml of a row.
pub fn definition(list: &List, row: &Row, recommends: bool) -> String {
    let strings = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
        texts.join(", ")
    };
    let mut text = format!(
        "hostname = \"measured\"\nboard = \"pc\"\n\n[archive]\ndistribution = \"debian\"\n\
         suite = \"{}\"\ndate = \"{}\"\n\n[packages]\ninstall = [{}]\nrecommends = {recommends}\n",
        list.suite,
        list.date,
        strings(&row.install),
    );
    if !row.debconf.is_empty() {
        text.push_str("\n[debconf]\n");
        for (question, answer) in &row.debconf {
            text.push_str(&format!("{question:?} = {answer:?}\n"));
        }
    }
    text
}
