//! The table of docs/reference/kernels.md.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use testbed::Firmware;

use crate::boots::{Boot, Handover};
use crate::sorts::{Hardware, KERNELS, Kernel};

const BEGIN: &str = "<!-- written by `cargo test -p webserver --test kernels -- --all` -->\n";
const END: &str = "<!-- to here -->\n";

const HEAD: &str = "\n| kernel | release | disk | firmware | data on | init to handover |\n\
                    |---|---|---|---|---|---|\n";

/// Puts the boots of a kernel into the table; its rows of other machines and those of other kernels
/// stay.
pub(crate) fn write(kernel: &Kernel, boots: &[Boot]) -> Result<()> {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/kernels.md"));
    let text = fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).context("the page has no place for the table")?;
    let (table, after) = rest.split_once(END).context("the page does not say where it ends")?;
    let mut rows = String::new();
    for each in &KERNELS {
        let begin = format!("| {} |", each.name());
        if each.name() == kernel.name() {
            for hardware in kernel.machines() {
                let place = place(hardware);
                let tried = boots.iter().find(|boot| boot.hardware == hardware);
                let kept =
                    table.lines().find(|line| line.starts_with(&begin) && line.contains(&place));
                let kept = kept.map(|line| format!("{line}\n"));
                rows.extend(tried.map(|boot| row(&begin, boot)).or(kept));
            }
        } else {
            let kept = table.lines().filter(|line| line.starts_with(&begin));
            kept.for_each(|line| rows.push_str(&format!("{line}\n")));
        }
    }
    let text = format!("{before}{BEGIN}{HEAD}{rows}\n{END}{after}");
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// The columns that say which machine it is.
fn place(hardware: Hardware) -> String {
    let firmware = match hardware.firmware {
        Firmware::Bios => "BIOS",
        Firmware::Uefi => "UEFI",
    };
    format!("| {} | {firmware} |", hardware.disk.description())
}

fn row(begin: &str, boot: &Boot) -> String {
    let result = match &boot.result {
        Ok(Handover { device, seconds }) => format!("{device} | {seconds:.2} s"),
        Err(error) => {
            let error = format!("{error:#}");
            let line = error.lines().next().unwrap_or_default().replace('|', "/");
            format!("NO | {line}")
        }
    };
    format!("{begin} {} {} {result} |\n", boot.release, place(boot.hardware))
}
