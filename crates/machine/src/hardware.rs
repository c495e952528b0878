//! A machine that is switched off: its parts, and its disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sandbox::{Program, Sink, Stdin, ToolRoot};
use tempfile::TempDir;

use crate::accelerator::accelerator;
use crate::arguments::{
    CDROM, CONTROL, Firmware, HOME, Hardware, IMAGE, LOG, OVERLAY, OVMF_VARIABLES, SECOND,
    VARIABLES,
};
use crate::disk::{DiskKind, Sizes};
use crate::error::{Error, Result};
use crate::port::{self, Forward};
use crate::running::Running;

/// Where `qemu-img` sees the copy that it makes of a disk.
const COPY: &str = "/work/copy";

/// A PC: processors, memory, disk, drive, network.
#[derive(Debug)]
pub struct Machine {
    qemu: ToolRoot,
    disk: Option<PathBuf>,
    disk_kind: DiskKind,
    disk_size: Option<u64>,
    log: Option<PathBuf>,
    cdrom: Option<PathBuf>,
    second: Option<PathBuf>,
    firmware: Firmware,
    memory: u32,
    cpus: u32,
    ports: Vec<Forward>,
    arguments: Vec<String>,
    /// Made at the first start.
    home: OnceLock<Arc<TempDir>>,
}

impl Machine {
    /// A PC with BIOS, 2 processors and 1024 MiB of memory, and nothing in it yet. `qemu` is the
    /// root of [`sandbox::Group::Qemu`].
    pub fn new(qemu: &ToolRoot) -> Self {
        Self {
            qemu: qemu.clone(),
            disk: None,
            disk_kind: DiskKind::default(),
            disk_size: None,
            log: None,
            cdrom: None,
            second: None,
            firmware: Firmware::default(),
            memory: 1024,
            cpus: 2,
            ports: Vec::new(),
            arguments: Vec::new(),
            home: OnceLock::new(),
        }
    }

    /// The raw image on its disk. The image is never changed: what the machine writes goes into an
    /// overlay that lives as long as the machine.
    pub fn disk(mut self, image: impl Into<PathBuf>) -> Self {
        self.disk = Some(image.into());
        self
    }

    /// What its disk hangs on.
    pub fn disk_kind(mut self, kind: DiskKind) -> Self {
        self.disk_kind = kind;
        self
    }

    /// The size of its disk in bytes, when that is to be larger than the image. An SD card gets the
    /// next power of two.
    pub fn disk_size(mut self, bytes: u64) -> Self {
        self.disk_size = Some(bytes);
        self
    }

    /// Records in the file `log` what is written to its disk, in the format of Linux's
    /// dm-log-writes: writes as the guest makes them, and its flushes. Each start begins the
    /// record anew, so the disk at that start is what it is to be replayed on: the image, at the
    /// first.
    ///
    /// Discards are not done, and so not recorded, with or without it.
    pub fn record(mut self, log: impl Into<PathBuf>) -> Self {
        self.log = Some(log.into());
        self
    }

    /// The image under its disk.
    pub fn image(&self) -> Option<&Path> {
        self.disk.as_deref()
    }

    /// The ISO in its drive, from which it boots first.
    pub fn cdrom(mut self, iso: impl Into<PathBuf>) -> Self {
        self.cdrom = Some(iso.into());
        self
    }

    /// A second disk, the last to be booted from: a SATA disk that is the file `disk` itself. It
    /// keeps what the machine writes. There is one on a q35, which is what a machine is unless its
    /// first disk is PATA.
    pub fn second_disk(mut self, disk: impl Into<PathBuf>) -> Self {
        self.second = Some(disk.into());
        self
    }

    /// BIOS or UEFI.
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// Memory, in MiB.
    pub fn memory(mut self, mebibytes: u32) -> Self {
        self.memory = mebibytes;
        self
    }

    /// Processors.
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// Makes the machine's TCP port `port` reachable on a free port of this host's loopback:
    /// [`Running::port`] says which.
    pub fn forward(mut self, port: u16) -> Self {
        self.ports.push(Forward { here: None, there: port });
        self
    }

    /// Makes the machine's TCP port `there` reachable on the port `here` of this host's loopback.
    pub fn forward_from(mut self, here: u16, there: u16) -> Self {
        self.ports.push(Forward { here: Some(here), there });
        self
    }

    /// Tells QEMU more, behind all that it is told anyway: options and their values. `-serial`
    /// takes the place of the serial port that the machine has without it, and `-nic none` takes
    /// its network card away. QEMU sees no files of
    /// this host.
    pub fn arguments(mut self, more: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    /// Switches it on, with its console in the caller's hands.
    pub fn start(&self) -> Result<Running> {
        let home = self.home()?;
        let forwards = port::assigned(&self.ports)?;
        let command = self.command(home.path(), &forwards, false)?;
        let qemu = command.stdin(Stdin::Piped).stdout(Sink::Piped).spawn()?;
        let control = home.path().join(CONTROL);
        Running::new(qemu, forwards, control, home)
    }

    /// Switches it on with its console in the terminal, and returns when it has ended; Ctrl-A X
    /// ends it. `ready` gets the pairs of host port and guest port before the console takes over.
    pub fn run_interactively(&self, ready: impl FnOnce(&[(u16, u16)])) -> Result<()> {
        let home = self.home()?;
        let forwards = port::assigned(&self.ports)?;
        let command = self.command(home.path(), &forwards, true)?;
        ready(&forwards);
        command.stdin(Stdin::Inherit).stdout(Sink::Inherit).stderr(Sink::Inherit).run()?;
        Ok(())
    }

    /// Writes what is on its disk to the raw image `path`. It has to be switched off.
    pub fn copy_disk(&self, path: &Path) -> Result<()> {
        let home = self.home()?;
        let Some(image) = &self.disk else { return Err(Error::NoDisk) };
        File::create(path).map_err(Error::io("make", path))?;
        self.qemu
            .command(Program::QemuImg)
            .bind_ro(absolute(image)?, IMAGE)
            .bind_rw(home.path(), HOME)
            .bind_rw(absolute(path)?, COPY)
            .args(["convert", "-q", "-f", "qcow2", "-O", "raw"])
            .args([&format!("{HOME}/{OVERLAY}"), COPY])
            .run()?;
        Ok(())
    }

    fn command(
        &self,
        home: &Path,
        forwards: &[(u16, u16)],
        interactive: bool,
    ) -> Result<sandbox::Command> {
        if self.firmware == Firmware::Uefi {
            self.forget_variables(home)?;
        }
        let hardware = Hardware {
            accelerator: accelerator(&self.qemu)?,
            firmware: self.firmware,
            memory: self.memory,
            cpus: self.cpus,
            disk: self.disk.as_ref().map(|_| self.disk_kind),
            recorded: self.log.is_some(),
            cdrom: self.cdrom.is_some(),
            second: self.second.is_some(),
            forwards,
            interactive,
            more: &self.arguments,
        };
        let mut command = self
            .qemu
            .command(Program::QemuSystemX86)
            .network(true)
            .device("kvm")
            .bind_rw(home, HOME)
            .args(hardware.arguments());
        for (file, target) in [(&self.disk, IMAGE), (&self.cdrom, CDROM)] {
            if let Some(file) = file {
                command = command.bind_ro(absolute(file)?, target);
            }
        }
        if let Some(second) = &self.second {
            command = command.bind_rw(absolute(second)?, SECOND);
        }
        if let Some(log) = &self.log {
            File::create(log).map_err(Error::io("make", log))?;
            command = command.bind_rw(absolute(log)?, LOG);
        }
        Ok(command)
    }

    /// The machine's own directory, with the overlay of its disk.
    fn home(&self) -> Result<Arc<TempDir>> {
        if let Some(home) = self.home.get() {
            return Ok(Arc::clone(home));
        }
        let home = tempfile::Builder::new().prefix("heirloom-machine-").tempdir();
        let home = home.map_err(Error::io("make", "a temporary directory"))?;
        if let Some(image) = &self.disk {
            let overlay = format!("{HOME}/{OVERLAY}");
            let mut command = self
                .qemu
                .command(Program::QemuImg)
                .bind_ro(absolute(image)?, IMAGE)
                .bind_rw(home.path(), HOME)
                .args(["create", "-q", "-f", "qcow2", "-b", IMAGE, "-F", "raw", &overlay]);
            let length = || fs::metadata(image).map(|found| found.len());
            let asked = match (self.disk_size, self.disk_kind.sizes()) {
                (None, Sizes::Any) => None,
                (Some(bytes), sizes) => Some(sizes.at_least(bytes)),
                (None, sizes) => Some(sizes.at_least(length().map_err(Error::io("read", image))?)),
            };
            if let Some(bytes) = asked {
                command = command.arg(bytes.to_string());
            }
            command.run()?;
        }
        Ok(Arc::clone(self.home.get_or_init(|| Arc::new(home))))
    }

    /// Gives it firmware that remembers nothing.
    fn forget_variables(&self, home: &Path) -> Result<()> {
        let empty = self.qemu.path().join(OVMF_VARIABLES.trim_start_matches('/'));
        let bytes = fs::read(&empty).map_err(Error::io("read", &empty))?;
        let own = home.join(VARIABLES);
        fs::write(&own, bytes).map_err(Error::io("write", &own))
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(Error::io("open", path))
}
