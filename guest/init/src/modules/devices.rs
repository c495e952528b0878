//! What the devices of this machine ask for: `MODALIAS` in the file `uevent` of each, as udev reads
//! it. Some have no file `modalias` (MMC).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All devices that can have a driver are below it.
const DEVICES: &str = "/sys/devices";

/// Devices, by their directories.
#[derive(Default)]
pub(super) struct Devices {
    seen: BTreeMap<PathBuf, Option<String>>,
}

impl Devices {
    /// The aliases of devices that were not there at the last look.
    pub(super) fn look(&mut self) -> Vec<String> {
        self.look_below(Path::new(DEVICES))
    }

    fn look_below(&mut self, root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            // One that goes away while it is looked at has no device any more.
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                // No symlink is followed: sysfs has its devices once.
                if entry.file_type().is_ok_and(|it| it.is_dir()) {
                    let path = entry.path();
                    match path.strip_prefix(root).ok().and_then(Path::to_str) {
                        // Thousands of directories of processors and memory; and what is no hardware.
                        Some("system") => directories.push(path.join("cpu/cpu0")),
                        Some("virtual") => {}
                        _ => directories.push(path),
                    }
                } else if entry.file_name() == "uevent" && !self.seen.contains_key(&directory) {
                    let text = fs::read_to_string(entry.path()).unwrap_or_default();
                    let alias = modalias(&text).map(str::to_owned);
                    found.extend(alias.clone());
                    self.seen.insert(directory.clone(), alias);
                }
            }
        }
        found
    }

    /// Devices that could be, or lead to, a disk, and that have no driver: name and alias.
    pub(super) fn without_driver(&self) -> Vec<String> {
        let devices = self.seen.iter().filter_map(|(path, alias)| Some((path, alias.as_ref()?)));
        let without =
            devices.filter(|(path, alias)| leads_to_disks(alias) && !path.join("driver").exists());
        without
            .map(|(path, alias)| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                format!("{name} ({alias})")
            })
            .collect()
    }
}

/// The alias in a `uevent` file.
fn modalias(uevent: &str) -> Option<&str> {
    uevent.lines().find_map(|line| line.strip_prefix("MODALIAS="))
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
    fn each_device_is_asked_once_and_one_that_comes_later_too() {
        let sys = tempfile::tempdir().unwrap();
        let device = |path: &str, uevent: &str| {
            let path = sys.path().join(path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("uevent"), uevent).unwrap();
        };
        device("pci0000:00/0000:00:05.0", &format!("PCI_CLASS=10802\nMODALIAS={NVME}\n"));
        device("pci0000:00", "");
        device("virtual/block/loop0", "MODALIAS=no:hardware\n");
        device("system/cpu/cpu0", "MODALIAS=cpu:type:x86\n");
        device("system/cpu/cpu1", "MODALIAS=cpu:type:x86\n");
        std::os::unix::fs::symlink(sys.path(), sys.path().join("pci0000:00/firmware_node"))
            .unwrap();
        let mut devices = Devices::default();
        let mut found = devices.look_below(sys.path());
        found.sort();
        assert_eq!(found, ["cpu:type:x86", NVME]);
        assert!(devices.look_below(sys.path()).is_empty());
        device("pci0000:00/0000:00:06.0/usb1/1-1", "MODALIAS=usb:v1\n");
        assert_eq!(devices.look_below(sys.path()), ["usb:v1"]);

        let driver = sys.path().join("pci0000:00/0000:00:06.0/usb1/1-1/driver");
        let without = devices.without_driver();
        assert_eq!(without, [format!("0000:00:05.0 ({NVME})"), "1-1 (usb:v1)".into()]);
        fs::create_dir(driver).unwrap();
        assert_eq!(devices.without_driver().len(), 1);
    }

    #[test]
    fn a_network_card_is_no_disk() {
        assert!(leads_to_disks(NVME));
        assert!(!leads_to_disks("pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00"));
        assert!(!leads_to_disks("acpi:PNP0A08:PNP0A03:"));
    }
}
