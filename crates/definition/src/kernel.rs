//! `[kernel]`: which kernel a server runs, and its command line.

use crate::names::{Refused, checked_text};
use crate::span::Located;
use crate::{PackageName, Pocket, read};

checked_text! {
    /// One argument of the kernel's command line: `console=ttyS0,115200`, `panic=10`.
    KernelArgument, check_argument
}

/// The longest command line, in bytes with the spaces between the arguments: what
/// `generation::config::MAX_CMDLINE` leaves to the definition.
pub const LONGEST_CMDLINE: usize = 1536;

fn check_argument(text: &str) -> Result<(), Refused> {
    let hint = "one argument a text; as in [\"quiet\", \"panic=10\"]";
    if text.is_empty() {
        return Err(Refused::new("is empty", hint));
    }
    if !text.chars().all(|c| c.is_ascii_graphic() && c != '"') {
        return Err(Refused::new("has a space, a quote or a character that is not ASCII", hint));
    }
    if text == "--" {
        let hint = "the kernel would leave everything behind it to init";
        return Err(Refused::new("ends the kernel's own arguments", hint));
    }
    let key = text.split('=').next().unwrap_or_default();
    if key.starts_with("heirloom.") || ["root", "init", "rdinit", "initrd"].contains(&key) {
        let hint = "how a generation is found and started is not for the definition to say";
        return Err(Refused::new(format!("sets `{key}`"), hint));
    }
    Ok(())
}

/// The table `[kernel]` of server.toml; a role has `cmdline` only.
///
/// ```toml
/// [kernel]
/// pocket = "backports"              # take the kernel from there; it must be among the pockets
/// package = "linux-image-amd64"     # instead of the board's
/// cmdline = ["quiet"]               # added to the board's
/// editable = true                   # at the console, before it starts
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    pub(crate) pocket: Option<Located<Pocket>>,
    pub(crate) package: Option<Located<PackageName>>,
    pub(crate) cmdline: Vec<Located<KernelArgument>>,
    pub(crate) editable: bool,
}

impl Kernel {
    /// Reads `[kernel]` of server.toml.
    pub(crate) fn read(mut table: read::Table<'_, '_>) -> Self {
        let pocket = table.value("pocket").and_then(|value| value.text());
        let package = table.value("package").and_then(|value| value.text());
        let editable = table.value("editable").and_then(|value| value.boolean());
        let editable = editable.unwrap_or_default();
        Self { pocket, package, cmdline: cmdline(table), editable }
    }

    /// Reads `[kernel]` of role.toml.
    pub(crate) fn read_role(table: read::Table<'_, '_>) -> Self {
        Self { cmdline: cmdline(table), ..Self::default() }
    }
}

fn cmdline(mut table: read::Table<'_, '_>) -> Vec<Located<KernelArgument>> {
    let arguments = table.value("cmdline").map(|value| arguments(&value)).unwrap_or_default();
    table.finish();
    arguments
}

/// The arguments of a list, none twice: several consoles differ in their names.
pub(crate) fn arguments(value: &read::Value<'_, '_>) -> Vec<Located<KernelArgument>> {
    value.texts().unwrap_or_default()
}
