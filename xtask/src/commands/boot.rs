//! `cargo xtask boot`: starts a server's image in QEMU.

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::ensure;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use definition::Board;
use machine::{DiskKind, Firmware, Machine};
use sandbox::Group;

use super::session;
use crate::options::Global;

#[derive(Args)]
pub(crate) struct Boot {
    /// The server, by the name of its crate.
    server: String,
    /// Start it with UEFI firmware instead of a BIOS.
    #[arg(long)]
    uefi: bool,
    /// Forward a further port of the server to a free one of this machine, or to HERE. The usual
    /// ones (ssh, mail, web) go to free ones, and are said, unless they are named here.
    #[arg(long, value_name = "[HERE:]THERE")]
    forward: Vec<Forward>,
    /// Memory in MiB.
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// What the disk hangs on.
    #[arg(long, value_name = "KIND", default_value = "virtio", value_parser = disk_kinds())]
    disk: DiskKind,
    /// Tell QEMU more, behind all that it is told anyway: an option, with its value in the same
    /// ARG (`--qemu "-smp 1"`) or in the next. May be given several times. `-serial` takes the
    /// place of our serial port, and `-nic none` takes the network card away. QEMU sees no files of
    /// this machine.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    qemu: Vec<String>,
}

/// A parser that lists the kinds of disks, and knows their longer names.
fn disk_kinds() -> impl TypedValueParser<Value = DiskKind> {
    let values = DiskKind::ALL.map(|kind| {
        let aliases = kind.names().iter().skip(1).copied();
        PossibleValue::new(kind.name()).aliases(aliases).help(kind.description())
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse())
}

/// A port of the server, and where on this machine it is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Forward {
    /// None: wherever it is free.
    here: Option<u16>,
    there: u16,
}

impl FromStr for Forward {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err("a port is a number from 1 to 65535"),
        };
        match text.split_once(':') {
            Some((here, there)) => Ok(Self { here: Some(port(here)?), there: port(there)? }),
            None => Ok(Self { here: None, there: port(text)? }),
        }
    }
}

/// Ports of the usual servers: ssh, smtp, http, imap, https, submission, imaps.
const PORTS: [u16; 7] = [22, 25, 80, 143, 443, 587, 993];

pub(crate) fn run(global: &Global, arguments: &Boot) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    let firmware = firmware(&server.board, arguments.uefi)?;
    let built = pipeline::generation(&session, &server)?;
    let medium = pipeline::medium(&session, &server, &built, pipeline::Format::Raw)?;
    let qemu = session.tools()?.root(Group::Qemu)?;
    let mut machine = Machine::new(&qemu)
        .disk(&medium.path)
        .disk_kind(arguments.disk)
        .firmware(firmware)
        .memory(arguments.memory)
        .arguments(arguments.qemu.iter().flat_map(|argument| words(argument)));
    for forward in forwards(&arguments.forward) {
        machine = match forward.here {
            Some(here) => machine.forward_from(here, forward.there),
            None => machine.forward(forward.there),
        };
    }
    machine.run_interactively(|forwards| {
        if global.quiet {
            return;
        }
        for (here, there) in forwards {
            eprintln!("port {there} of {} is 127.0.0.1:{here}", server.name);
        }
        eprintln!("the image itself is not changed; Ctrl-A X ends the machine");
    })?;
    Ok(ExitCode::SUCCESS)
}

/// BIOS, unless UEFI was asked for or is all that the board has.
fn firmware(board: &Board, uefi: bool) -> anyhow::Result<Firmware> {
    let has = |firmware| board.firmware.contains(&firmware);
    if !uefi && has(definition::Firmware::Bios) {
        return Ok(Firmware::Bios);
    }
    ensure!(
        has(definition::Firmware::Uefi),
        "board `{0}` has no UEFI: `firmware` in boards/{0}/board.toml says so",
        board.name
    );
    Ok(Firmware::Uefi)
}

/// The usual ports and those that were asked for; one that was asked for takes the place of the
/// usual one.
fn forwards(asked: &[Forward]) -> impl Iterator<Item = Forward> {
    let usual = PORTS.into_iter().filter(|port| asked.iter().all(|it| it.there != *port));
    usual.map(|there| Forward { here: None, there }).chain(asked.iter().copied())
}

/// An option of QEMU and its value, or one of both. No option has a space in its name, and none has
/// more than one value, so a value may have spaces.
fn words(argument: &str) -> impl Iterator<Item = &str> {
    let (first, second) = match argument.split_once(' ') {
        Some((option, value)) if option.starts_with('-') => (option, Some(value.trim_start())),
        _ => (argument, None),
    };
    [first].into_iter().chain(second)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_machine_starts_with_firmware_that_its_board_has() {
        let board = |firmware: &str| {
            let text = include_str!("../../../boards/pc/board.toml");
            let text = text.replace("\"bios\", \"uefi\"", firmware);
            let (dir, file) = (Path::new("boards/thin"), Path::new("boards/thin/board.toml"));
            Board::parse("thin".parse().unwrap(), dir, file, &text).unwrap()
        };
        assert_eq!(firmware(&board("\"bios\", \"uefi\""), false).unwrap(), Firmware::Bios);
        assert_eq!(firmware(&board("\"uefi\""), false).unwrap(), Firmware::Uefi);
        let error = firmware(&board("\"bios\""), true).unwrap_err().to_string();
        assert!(error.starts_with("board `thin` has no UEFI"), "{error}");
    }

    #[test]
    fn a_named_port_takes_the_place_of_the_usual_one() {
        let named = Forward { here: Some(2222), there: 22 };
        let all: Vec<_> = forwards(&[named]).collect();
        assert_eq!(all.iter().filter(|it| it.there == 22).collect::<Vec<_>>(), [&named]);
        assert_eq!(all.len(), PORTS.len());
        assert_eq!(forwards(&[Forward { here: None, there: 4190 }]).count(), PORTS.len() + 1);
    }

    #[test]
    fn an_option_of_qemu_is_given_with_its_value_or_before_it() {
        let of = |argument| words(argument).collect::<Vec<_>>();
        assert_eq!(of("-smp 1"), ["-smp", "1"]);
        assert_eq!(of("-no-reboot"), ["-no-reboot"]);
        assert_eq!(of("base=1970-01-01, clock=vm"), ["base=1970-01-01, clock=vm"]);
        assert_eq!(of("-smbios  type=1,product=A PC"), ["-smbios", "type=1,product=A PC"]);
    }
}
