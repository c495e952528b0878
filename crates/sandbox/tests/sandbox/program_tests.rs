//! Every program of the closed list, from its pinned package.

use libtest_mimic::Trial;
use sandbox::{Program, Tools};

use crate::{Outcome, check, roots};

pub(crate) fn all() -> Vec<Trial> {
    Program::ALL
        .iter()
        .map(|&program| {
            let path = program.path().display();
            let name = format!("{path}_of_the_tools_{}_runs", program.group());
            Trial::test(name, move || runs(program))
        })
        .collect()
}

/// What makes a program say its version, what it then says, and its exit status.
fn version(program: Program) -> (&'static str, &'static str, i32) {
    match program {
        Program::Mksquashfs => ("-version", "mksquashfs version 4.5", 0),
        Program::Sqfstar => ("-version", "sqfstar version 4.5", 0),
        Program::Unsquashfs => ("-version", "unsquashfs version 4.5", 1),
        Program::Mke2fs => ("-V", "mke2fs 1.47.2", 0),
        Program::E2fsck => ("-V", "e2fsck 1.47.2", 0),
        Program::Debugfs => ("-V", "debugfs 1.47.2", 0),
        Program::Dumpe2fs => ("-V", "dumpe2fs 1.47.2", 0),
        Program::MkfsFat => ("--help", "mkfs.fat 4.2", 0),
        Program::FsckFat => ("--help", "Check FAT filesystem", 0),
        Program::Mcopy | Program::Mmd | Program::Mdir => ("-V", "(GNU mtools)", 0),
        Program::Syslinux => ("--version", "syslinux 6.04", 0),
        Program::Xorriso => ("-version", "xorriso version   :  1.5", 0),
        Program::MkfsErofs => ("-V", "mkfs.erofs 1.5", 1),
        Program::FsckErofs => ("-V", "fsck.erofs 1.5", 0),
        Program::DumpErofs => ("-V", "dump.erofs 1.5", 0),
        Program::Cargo => ("-V", "cargo 1.85", 0),
        Program::Rustc => ("-V", "rustc 1.85", 0),
        Program::Gcc => ("--version", "gcc (Debian 12", 0),
        Program::QemuSystemX86 => ("--version", "QEMU emulator version 10", 0),
        Program::QemuImg => ("--version", "qemu-img version 10", 0),
        Program::Pacman => ("--version", "Pacman v6", 0),
        Program::Mmdebstrap => ("--version", "mmdebstrap 1", 0),
        Program::Bsdtar => ("--version", "bsdtar 3", 0),
        Program::AptGet | Program::AptCache => ("--version", "apt 2.6", 0),
        Program::Curl => ("--version", "curl 7", 0),
        Program::Git => ("--version", "git version 2", 0),
        Program::Ssh => ("-V", "OpenSSH_9", 0),
        Program::SshKeygen => ("-?", "usage: ssh-keygen", 1),
        Program::Veritysetup => ("--version", "veritysetup 2.6", 0),
    }
}

fn runs(program: Program) -> Outcome {
    let store = roots::store()?;
    let tools = Tools::open(&roots::workspace(), &store)?;
    let (argument, expected, code) = version(program);
    let output = tools.command(program)?.arg(argument).accept(code).run()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    check(said.contains(expected), said.clone())
}
