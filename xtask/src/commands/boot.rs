//! `cargo xtask boot`: starts a server's image in QEMU.

use std::process::ExitCode;

use anyhow::ensure;
use definition::Board;
use machine::{Firmware, Machine};
use sandbox::Group;

use super::session;
use crate::cli::{Boot, Forward, Global};

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
