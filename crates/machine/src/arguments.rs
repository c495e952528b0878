//! QEMU's command line: a pure function of the hardware.

use crate::accelerator::Accelerator;

/// What starts the bootloader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Firmware {
    /// SeaBIOS.
    #[default]
    Bios,
    /// OVMF. Its variables are new at each start: nothing may rely on them.
    Uefi,
}

/// What QEMU is told. Paths are those inside the sandbox.
pub(crate) struct Hardware<'a> {
    pub(crate) accelerator: Accelerator,
    pub(crate) firmware: Firmware,
    /// MiB.
    pub(crate) memory: u32,
    pub(crate) cpus: u32,
    pub(crate) disk: bool,
    /// What is written to the disk is recorded in [`LOG`].
    pub(crate) recorded: bool,
    pub(crate) cdrom: bool,
    /// Host port and guest port.
    pub(crate) forwards: &'a [(u16, u16)],
    /// The console is the caller's terminal.
    pub(crate) interactive: bool,
}

/// The directory of the machine's own files: overlay, EFI variables, control socket.
pub(crate) const HOME: &str = "/work/machine";
/// The image under the overlay.
pub(crate) const IMAGE: &str = "/work/image";
/// The record of what is written to the disk.
pub(crate) const LOG: &str = "/work/log";
/// The ISO in the drive.
pub(crate) const CDROM: &str = "/work/cdrom";
/// File names in [`HOME`].
pub(crate) const OVERLAY: &str = "disk.qcow2";
pub(crate) const VARIABLES: &str = "efivars.fd";
pub(crate) const CONTROL: &str = "control";
/// OVMF's firmware and its empty variables.
pub(crate) const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
pub(crate) const OVMF_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

impl Hardware<'_> {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |option: &str, value: String| {
            arguments.push(option.to_owned());
            arguments.push(value);
        };
        match self.accelerator {
            Accelerator::Kvm => {
                add("-machine", "q35,accel=kvm".into());
                add("-cpu", "host".into());
            }
            // The plainest processor: what it lacks, TCG need not imitate.
            Accelerator::Tcg => add("-machine", "q35,accel=tcg".into()),
        }
        add("-m", self.memory.to_string());
        add("-smp", self.cpus.to_string());

        if self.firmware == Firmware::Uefi {
            let flash = "if=pflash,format=raw";
            add("-drive", format!("{flash},unit=0,readonly=on,file={OVMF_CODE}"));
            add("-drive", format!("{flash},unit=1,file={HOME}/{VARIABLES}"));
        }
        if self.disk && self.recorded {
            for node in recorded_disk() {
                add("-blockdev", node);
            }
            add("-device", "virtio-blk-pci,drive=disk,write-cache=on,bootindex=1".into());
        } else if self.disk {
            add("-drive", format!("if=none,id=disk,format=qcow2,file={HOME}/{OVERLAY}"));
            add("-device", "virtio-blk-pci,drive=disk,bootindex=1".into());
        }
        if self.cdrom {
            add("-drive", format!("if=none,id=cdrom,format=raw,readonly=on,file={CDROM}"));
            add("-device", "ide-cd,drive=cdrom,bootindex=0".into());
        }
        // Without it a guest waits half a minute for entropy under TCG.
        add("-object", "rng-builtin,id=random".into());
        add("-device", "virtio-rng-pci,rng=random".into());
        add("-device", "i6300esb".into());
        add("-action", "watchdog=reset".into());

        let forwards: String = self
            .forwards
            .iter()
            .map(|(host, guest)| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"))
            .collect();
        add("-netdev", format!("user,id=net{forwards}"));
        add("-device", "virtio-net-pci,netdev=net,romfile=".into());

        add("-display", "none".into());
        if self.interactive {
            // Ctrl-A X ends the machine, Ctrl-A C shows QEMU's monitor.
            add("-serial", "mon:stdio".into());
        } else {
            add("-chardev", "stdio,id=console,signal=off".into());
            add("-serial", "chardev:console".into());
        }
        add("-qmp", format!("unix:{HOME}/{CONTROL},server=on,wait=off"));
        arguments.extend(["-nodefaults", "-no-user-config"].map(str::to_owned));
        arguments
    }
}

/// QEMU's blklogwrites above the overlay: it sees what the guest writes, in the order in which that
/// was done, and each flush that the guest asks for.
///
/// The log says at each entry how many it has, since no last word comes from a machine that is
/// killed; and it stays in the host's memory, because the host does not lose its power.
fn recorded_disk() -> [String; 3] {
    [
        format!("driver=qcow2,node-name=overlay,file.driver=file,file.filename={HOME}/{OVERLAY}"),
        format!("driver=file,node-name=log,filename={LOG},cache.no-flush=on"),
        "driver=blklogwrites,node-name=disk,file=overlay,log=log,log-sector-size=512,\
         log-super-update-interval=1"
            .into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware() -> Hardware<'static> {
        Hardware {
            accelerator: Accelerator::Tcg,
            firmware: Firmware::Bios,
            memory: 1024,
            cpus: 2,
            disk: true,
            recorded: false,
            cdrom: false,
            forwards: &[(40025, 25), (40143, 143)],
            interactive: false,
        }
    }

    #[test]
    fn ports_are_forwarded_from_the_loopback_only() {
        let line = hardware().arguments().join(" ");
        assert!(line.contains("hostfwd=tcp:127.0.0.1:40025-:25,hostfwd=tcp:127.0.0.1:40143-:143"));
    }

    #[test]
    fn every_machine_has_entropy_and_a_watchdog() {
        for firmware in [Firmware::Bios, Firmware::Uefi] {
            let line = Hardware { firmware, ..hardware() }.arguments().join(" ");
            assert!(line.contains("virtio-rng-pci") && line.contains("i6300esb"), "{line}");
            assert_eq!(line.contains("OVMF"), firmware == Firmware::Uefi);
        }
    }

    #[test]
    fn a_recorded_disk_has_a_write_cache_that_the_guest_flushes() {
        let line = Hardware { recorded: true, ..hardware() }.arguments().join(" ");
        assert!(line.contains("driver=blklogwrites,node-name=disk,file=overlay"), "{line}");
        assert!(line.contains("drive=disk,write-cache=on"), "{line}");
        assert!(!line.contains("id=disk"), "{line}");
    }

    #[test]
    fn the_drive_is_asked_before_the_disk() {
        let line = Hardware { cdrom: true, ..hardware() }.arguments().join(" ");
        assert!(line.contains("ide-cd,drive=cdrom,bootindex=0"), "{line}");
        assert!(line.contains("virtio-blk-pci,drive=disk,bootindex=1"), "{line}");
    }
}
