//! Whether this host's KVM runs a guest: found out by running one.
//!
//! `/dev/kvm` may be there and fail: no nested virtualisation, no permission, a kernel that hangs
//! on the first instruction. So a boot sector is started that does one thing: it writes a number
//! to QEMU's exit port.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use sandbox::{Program, ToolRoot};

use crate::error::{Error, Result};

/// How a machine's processor is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// By the host's processor.
    Kvm,
    /// By QEMU's own translation: works everywhere, 5 to 20 times slower.
    Tcg,
}

/// How long the boot sector may take; with KVM it takes half a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// `mov dx, 0xf4; mov al, 0x10; out dx, al; hlt; jmp $-1`
const PROGRAM: [u8; 9] = [0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4, 0xeb, 0xfd];

/// isa-debug-exit makes (value << 1) | 1 QEMU's exit status.
const STATUS: i32 = 0x10 << 1 | 1;

/// The best accelerator that works here; found out once a process.
pub fn accelerator(qemu: &ToolRoot) -> Result<Accelerator> {
    static FOUND: OnceLock<Accelerator> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(*found);
    }
    let found = if boots(qemu, Accelerator::Kvm)? { Accelerator::Kvm } else { Accelerator::Tcg };
    Ok(*FOUND.get_or_init(|| found))
}

/// Whether a guest runs its first instructions.
fn boots(qemu: &ToolRoot, accelerator: Accelerator) -> Result<bool> {
    let name = match accelerator {
        Accelerator::Kvm if !Path::new("/dev/kvm").exists() => return Ok(false),
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    };
    let directory = tempfile::tempdir().map_err(Error::io("make", "a temporary directory"))?;
    let disk = directory.path().join("sector");
    fs::write(&disk, boot_sector()).map_err(Error::io("write", &disk))?;
    let mut running = qemu
        .command(Program::QemuSystemX86)
        .device("kvm")
        .bind_ro(directory.path(), "/work/in")
        .args(["-machine", &format!("pc,accel={name}"), "-m", "16"])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-drive", "format=raw,if=ide,readonly=off,snapshot=on,file=/work/in/sector"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x01"])
        .accept(STATUS)
        .spawn()?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if running.has_ended()? {
            // Any other end is QEMU's way to say that it cannot.
            return Ok(running.wait().is_ok_and(|output| output.code == STATUS));
        }
        thread::sleep(Duration::from_millis(20));
    }
    running.kill();
    Ok(false)
}

fn boot_sector() -> [u8; 512] {
    let mut sector = [0; 512];
    sector[..PROGRAM.len()].copy_from_slice(&PROGRAM);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}
