//! QEMU's command line: a pure function of the hardware.

use crate::accelerator::Accelerator;
use crate::disk::{DiskKind, NODE};

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
    pub(crate) disk: Option<DiskKind>,
    /// What is written to the disk is recorded in [`LOG`].
    pub(crate) recorded: bool,
    pub(crate) cdrom: bool,
    /// There is a second disk.
    pub(crate) second: bool,
    /// Host port and guest port.
    pub(crate) forwards: &'a [(u16, u16)],
    /// The console is the caller's terminal.
    pub(crate) interactive: bool,
    /// What QEMU is told besides, last: of what can be said once only, this is what counts.
    pub(crate) more: &'a [String],
}

/// The directory of the machine's own files: overlay, EFI variables, control socket.
pub(crate) const HOME: &str = "/work/machine";
/// The image under the overlay.
pub(crate) const IMAGE: &str = "/work/image";
/// The record of what is written to the disk.
pub(crate) const LOG: &str = "/work/log";
/// The ISO in the drive.
pub(crate) const CDROM: &str = "/work/cdrom";
/// The second disk.
pub(crate) const SECOND: &str = "/work/second";
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
        let machine = self.disk.unwrap_or_default().machine();
        match self.accelerator {
            Accelerator::Kvm => {
                add("-machine", format!("{machine},accel=kvm"));
                add("-cpu", "host".into());
            }
            // The plainest processor: what it lacks, TCG need not imitate.
            Accelerator::Tcg => add("-machine", format!("{machine},accel=tcg")),
        }
        add("-m", self.memory.to_string());
        add("-smp", self.cpus.to_string());

        if self.firmware == Firmware::Uefi {
            let flash = "if=pflash,format=raw";
            add("-drive", format!("{flash},unit=0,readonly=on,file={OVMF_CODE}"));
            add("-drive", format!("{flash},unit=1,file={HOME}/{VARIABLES}"));
        }
        if let Some(kind) = self.disk {
            if self.recorded {
                recorded_disk().into_iter().for_each(|node| add("-blockdev", node));
            } else {
                add("-drive", format!("if=none,id={NODE},format=qcow2,file={HOME}/{OVERLAY}"));
            }
            let more = if self.recorded { ",write-cache=on" } else { "" };
            kind.devices(more).into_iter().for_each(|device| add("-device", device));
        }
        if self.cdrom {
            add("-drive", format!("if=none,id=cdrom,format=raw,readonly=on,file={CDROM}"));
            add("-device", "ide-cd,drive=cdrom,bootindex=0".into());
        }
        if self.second {
            // Zeros take no room on the host: what makes disks equal writes many.
            let zeros = "discard=unmap,detect-zeroes=unmap";
            add("-drive", format!("if=none,id=second,format=raw,{zeros},file={SECOND}"));
            add("-device", "ide-hd,bus=ide.2,drive=second,bootindex=2".into());
        }
        // Without it a guest waits half a minute for entropy under TCG.
        add("-object", "rng-builtin,id=random".into());
        add("-device", "virtio-rng-pci,rng=random".into());
        add("-device", "i6300esb".into());
        add("-action", "watchdog=reset".into());

        if !self.has_no_card() {
            let forwards: String = self
                .forwards
                .iter()
                .map(|(host, guest)| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"))
                .collect();
            add("-netdev", format!("user,id=net{forwards}"));
            add("-device", "virtio-net-pci,netdev=net,id=net0,romfile=".into());
        }

        add("-display", "none".into());
        // Ctrl-A X ends the machine, Ctrl-A C shows QEMU's monitor.
        let monitor = if self.interactive { "on" } else { "off" };
        add("-chardev", format!("stdio,id=console,signal=off,mux={monitor}"));
        if self.interactive {
            add("-mon", "chardev=console,mode=readline".into());
        }
        if !self.has_own_serial_port() {
            add("-serial", "chardev:console".into());
        }
        add("-qmp", format!("unix:{HOME}/{CONTROL},server=on,wait=off"));
        arguments.extend(["-nodefaults", "-no-user-config"].map(str::to_owned));
        arguments.extend(self.more.iter().cloned());
        arguments
    }

    /// Serial ports are numbered as they come: another first one can only be had instead of ours.
    fn has_own_serial_port(&self) -> bool {
        self.more.iter().any(|word| word == "-serial" || word == "--serial")
    }

    /// `-nic none` means what it means to QEMU where nothing is said of the network.
    fn has_no_card(&self) -> bool {
        self.more.windows(2).any(|pair| pair == ["-nic", "none"])
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
            disk: Some(DiskKind::Virtio),
            recorded: false,
            cdrom: false,
            second: false,
            forwards: &[(40025, 25), (40143, 143)],
            interactive: false,
            more: &[],
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
        assert!(line.contains("drive=disk,id=disk0,write-cache=on"), "{line}");
        assert!(!line.contains("id=disk,"), "{line}");
    }

    #[test]
    fn the_drive_is_asked_before_the_disk() {
        let line = Hardware { cdrom: true, ..hardware() }.arguments().join(" ");
        assert!(line.contains("ide-cd,drive=cdrom,bootindex=0"), "{line}");
        let line = Hardware { second: true, ..hardware() }.arguments().join(" ");
        assert!(line.contains("drive=second,bootindex=2"), "{line}");
        assert!(line.contains("virtio-blk-pci,drive=disk,id=disk0,bootindex=1"), "{line}");
    }

    #[test]
    fn a_disk_of_another_kind_has_its_controller_and_the_machine_that_has_one() {
        let line = |kind| Hardware { disk: Some(kind), ..hardware() }.arguments().join(" ");
        let megasas = line(DiskKind::Megasas);
        let disk = "-device megasas,id=bus0 -device scsi-hd,bus=bus0.0,drive=disk,id=disk0";
        assert!(megasas.contains(disk) && megasas.contains("-machine q35"), "{megasas}");
        assert!(!megasas.contains("virtio-blk"), "{megasas}");
        let ide = line(DiskKind::Ide);
        assert!(ide.contains("-machine pc,accel=tcg"), "{ide}");
        assert!(ide.contains("-device ide-hd,bus=ide.0,drive=disk"), "{ide}");
    }

    #[test]
    fn what_is_added_comes_last_and_a_serial_port_takes_the_place_of_ours() {
        let more = ["-m", "256", "-smp", "1"].map(str::to_owned);
        let line = Hardware { more: &more, ..hardware() }.arguments().join(" ");
        assert!(line.ends_with(" -m 256 -smp 1"), "{line}");
        assert!(line.contains("-serial chardev:console"), "{line}");
        for interactive in [true, false] {
            let more = ["-serial", "none"].map(str::to_owned);
            let line = Hardware { more: &more, interactive, ..hardware() }.arguments().join(" ");
            assert_eq!(line.matches("-serial").count(), 1, "{line}");
            assert_eq!(line.contains("-mon "), interactive, "{line}");
        }
        let more = ["-nic", "none"].map(str::to_owned);
        let line = Hardware { more: &more, ..hardware() }.arguments().join(" ");
        assert!(!line.contains("-netdev"), "{line}");
    }
}
