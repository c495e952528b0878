//! `cargo xtask boot`: starts a server's image in QEMU.

use std::process::ExitCode;

use machine::{Firmware, Machine};
use sandbox::Group;

use super::session;
use crate::cli::{Boot, Global};

/// Ports of the usual servers: ssh, smtp, http, imap, https, submission, imaps.
const PORTS: [u16; 7] = [22, 25, 80, 143, 443, 587, 993];

pub(crate) fn run(global: &Global, arguments: &Boot) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    let built = pipeline::generation(&session, &server)?;
    let medium = pipeline::medium(&session, &server, &built, pipeline::Format::Raw)?;
    let qemu = session.tools()?.root(Group::Qemu)?;
    let firmware = if arguments.uefi { Firmware::Uefi } else { Firmware::Bios };
    let mut machine =
        Machine::new(&qemu).disk(&medium.path).firmware(firmware).memory(arguments.memory);
    for port in PORTS.iter().chain(&arguments.forward) {
        machine = machine.forward(*port);
    }
    machine.run_interactively(|forwards| {
        for (here, there) in forwards {
            eprintln!("port {there} of {} is 127.0.0.1:{here}", server.name);
        }
        eprintln!("the image itself is not changed; Ctrl-A X ends the machine");
    })?;
    Ok(ExitCode::SUCCESS)
}
