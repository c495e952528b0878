//! What the devices of this machine ask for: `MODALIAS` in the file `uevent` of each, as udev reads
//! it (some have no file `modalias`), and in the kernel's word of those that come later.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

/// Where the kernel shows its devices.
const SYS: &str = "/sys";

/// The multicast group of the kernel's own words (udev has another).
const KERNEL: u32 = 1;

/// The longest message (linux/kobject.h, `UEVENT_BUFFER_SIZE`, and its header).
const MESSAGE: usize = 8192;

/// Devices that ask for a module, by their directories.
#[derive(Default)]
pub(super) struct Devices {
    seen: BTreeMap<PathBuf, String>,
    /// Where the kernel says what comes; open since before the first look.
    events: Option<OwnedFd>,
}

impl Devices {
    /// The aliases of devices that were not there at the last look.
    pub(super) fn look(&mut self) -> Vec<String> {
        if let Some(found) = self.events.as_ref().and_then(drained) {
            return self.new_of(found);
        }
        // The first look, or words were lost.
        self.events = listen().ok();
        let found = on_buses(Path::new(SYS));
        self.new_of(found)
    }

    fn new_of(&mut self, found: Vec<(PathBuf, String)>) -> Vec<String> {
        let new = found.into_iter().filter(|(path, alias)| {
            self.seen.insert(path.clone(), alias.clone()).as_ref() != Some(alias)
        });
        new.map(|(_, alias)| alias).collect()
    }

    /// Devices that could be, or lead to, a disk, and that have no driver: name and alias.
    pub(super) fn without_driver(&self) -> Vec<String> {
        let without = self.seen.iter().filter(|(path, alias)| {
            leads_to_disks(alias) && path.exists() && !path.join("driver").exists()
        });
        without
            .map(|(path, alias)| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                format!("{name} ({alias})")
            })
            .collect()
    }
}

/// All devices of the buses below `sys` that ask for a module: directory and alias. Whatever has a
/// driver is on a bus.
fn on_buses(sys: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for bus in list(&sys.join("bus")) {
        let devices = bus.join("devices");
        let devices = match bus.file_name().and_then(|name| name.to_str()) {
            // Hundreds of processors ask for the same, and none of the others for anything.
            Some("cpu") => vec![devices.join("cpu0")],
            Some("memory" | "node" | "machinecheck") => Vec::new(),
            _ => list(&devices),
        };
        for device in devices {
            // One that goes away while it is looked at is no device any more.
            let Ok(text) = fs::read_to_string(device.join("uevent")) else { continue };
            let Some(alias) = value(text.lines(), "MODALIAS=") else { continue };
            let directory = fs::read_link(&device).map(|link| pointed_at(sys, &link));
            found.push((directory.unwrap_or(device), alias.to_owned()));
        }
    }
    found
}

/// The directory of a device, by which the kernel's words name it: what stands on a bus is a link
/// like `../../../devices/pci0000:00/0000:00:05.0`.
fn pointed_at(sys: &Path, link: &Path) -> PathBuf {
    let below = link.components().filter(|part| !matches!(part, Component::ParentDir));
    sys.join(below.collect::<PathBuf>())
}

/// What a directory has; nothing where it is gone.
fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Has the kernel say which devices come (lib/kobject_uevent.c).
fn listen() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (family, kind) = (AddressFamily::NETLINK, SocketType::DGRAM);
    let socket = socket_with(family, kind, flags, Some(KOBJECT_UEVENT))?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
    Ok(socket)
}

/// The devices of all messages that are there; none where some were lost.
fn drained(events: &OwnedFd) -> Option<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut buffer = vec![0; MESSAGE];
    loop {
        match recv(events, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => found.extend(buffer.get(..length).and_then(added)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Some(found),
            Err(_) => return None,
        }
    }
}

/// A message: `add@/devices/...`, then `KEY=value` words, each with a zero behind it.
fn added(message: &[u8]) -> Option<(PathBuf, String)> {
    let text = std::str::from_utf8(message).ok()?;
    let words = || text.split('\0');
    value(words(), "ACTION=").filter(|action| *action == "add")?;
    let path = value(words(), "DEVPATH=")?;
    Some((format!("/sys{path}").into(), value(words(), "MODALIAS=")?.to_owned()))
}

/// The value in the first of `lines` that begins with `key`.
fn value<'a>(mut lines: impl Iterator<Item = &'a str>, key: &str) -> Option<&'a str> {
    lines.find_map(|line| line.strip_prefix(key))
}

/// Whether a device is of a bus for disks, or on PCI a controller of disks, of USB or of cards
/// (pci.ids, classes 01, 0c03 and 0805).
fn leads_to_disks(alias: &str) -> bool {
    match alias.split_once(':') {
        Some(("pci", id)) => {
            ["bc01", "bc0Csc03", "bc08sc05"].iter().any(|class| id.contains(class))
        }
        Some(("virtio" | "scsi" | "vmbus" | "xen" | "mmc" | "usb" | "nvme", _)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NVME: &str = "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02";

    #[test]
    fn each_device_is_asked_once() {
        let sys = tempfile::tempdir().unwrap();
        let device = |bus: &str, path: &str, uevent: &str| {
            let devices = sys.path().join("bus").join(bus).join("devices");
            let real = sys.path().join("devices").join(path);
            fs::create_dir_all(&real).unwrap();
            fs::create_dir_all(&devices).unwrap();
            fs::write(real.join("uevent"), uevent).unwrap();
            let link = Path::new("../../../devices").join(path);
            std::os::unix::fs::symlink(link, devices.join(real.file_name().unwrap())).unwrap();
        };
        let nvme = format!("PCI_CLASS=10802\nMODALIAS={NVME}\n");
        device("pci", "pci0000:00/0000:00:05.0", &nvme);
        device("pci", "pci0000:00/0000:00:06.0", "PCI_CLASS=60000\n");
        device("usb", "pci0000:00/0000:00:06.0/usb1/1-1", "MODALIAS=usb:v1\n");
        device("cpu", "system/cpu/cpu0", "MODALIAS=cpu:type:x86\n");
        device("cpu", "system/cpu/cpu1", "MODALIAS=cpu:type:x86\n");
        device("memory", "system/memory/memory0", "MODALIAS=no:driver\n");
        let mut devices = Devices::default();
        let mut found = devices.new_of(on_buses(sys.path()));
        found.sort();
        assert_eq!(found, ["cpu:type:x86", NVME, "usb:v1"]);
        // The kernel's word of one that was found.
        let here = sys.path().join("devices/pci0000:00");
        let again = (here.join("0000:00:05.0"), NVME.to_owned());
        assert!(devices.new_of(vec![again]).is_empty());
        assert!(devices.new_of(on_buses(sys.path())).is_empty());

        let without = devices.without_driver();
        assert_eq!(without, [format!("0000:00:05.0 ({NVME})"), "1-1 (usb:v1)".into()]);
        fs::create_dir(here.join("0000:00:06.0/usb1/1-1/driver")).unwrap();
        assert_eq!(devices.without_driver().len(), 1);
    }

    #[test]
    fn the_buses_of_this_machine_have_what_all_its_directories_have() {
        let walk = |directory: &Path, found: &mut Vec<(PathBuf, String)>| {
            let mut directories = vec![directory.to_owned()];
            while let Some(directory) = directories.pop() {
                let text = fs::read_to_string(directory.join("uevent")).unwrap_or_default();
                // Processors are asked once; devices of input have no driver.
                let alias = value(text.lines(), "MODALIAS=")
                    .filter(|alias| !alias.starts_with("cpu:") && !alias.starts_with("input:"));
                found.extend(alias.map(|alias| (directory.clone(), alias.to_owned())));
                for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                    if entry.file_type().is_ok_and(|it| it.is_dir())
                        && entry.file_name() != "virtual"
                    {
                        directories.push(entry.path());
                    }
                }
            }
        };
        let mut all = Vec::new();
        walk(Path::new("/sys/devices"), &mut all);
        let found = on_buses(Path::new(SYS));
        let lacking: Vec<_> = all.iter().filter(|device| !found.contains(device)).collect();
        assert!(lacking.is_empty(), "{lacking:?}");
    }

    #[test]
    fn a_machine_is_walked_once_and_then_the_kernel_is_asked() {
        let mut devices = Devices::default();
        devices.look();
        assert!(devices.events.is_some(), "the kernel says nothing");
        assert!(drained(devices.events.as_ref().unwrap()).is_some(), "words are lost");
    }

    #[test]
    fn the_kernel_says_what_comes_later() {
        let message = b"add@/devices/pci0000:00/usb1/1-1\0ACTION=add\0\
                        DEVPATH=/devices/pci0000:00/usb1/1-1\0SUBSYSTEM=usb\0MODALIAS=usb:v1\0SEQNUM=9\0";
        let device = added(message).unwrap();
        assert_eq!(device, ("/sys/devices/pci0000:00/usb1/1-1".into(), "usb:v1".to_owned()));
        let gone = String::from_utf8_lossy(message).replace("add", "remove");
        for other in [gone.as_bytes(), b"add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0", b"\xff"]
        {
            assert_eq!(added(other), None);
        }
    }

    #[test]
    fn a_network_card_is_no_disk() {
        assert!(leads_to_disks(NVME));
        assert!(!leads_to_disks("pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00"));
        assert!(!leads_to_disks("acpi:PNP0A08:PNP0A03:"));
    }
}
