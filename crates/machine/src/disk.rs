//! What a machine's disk hangs on.

use std::str::FromStr;

/// What the disk hangs on: its controller, and with it the driver that the guest needs.
///
/// Named as QEMU's users know them. What is not here QEMU
/// emulates no controller of (mpt3sas), or SeaBIOS does not start (UAS, am53c974).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DiskKind {
    /// virtio-blk: what virtual machines mostly have.
    #[default]
    Virtio,
    /// A SCSI disk on virtio-scsi.
    VirtioScsi,
    /// NVMe.
    Nvme,
    /// SATA.
    Ahci,
    /// PATA, on the chipset that has it: i440fx.
    Ide,
    /// A stick on USB 3.
    Usb,
    /// An SD card.
    Sd,
    /// LSI MegaRAID SAS 1078.
    Megasas,
    /// LSI MegaRAID SAS 2108.
    MegasasGen2,
    /// LSI SAS 1068.
    Mptsas,
    /// LSI 53C895A.
    Lsi,
    /// VMware's paravirtual SCSI.
    Pvscsi,
}

/// Which sizes a disk can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// Whatever the image has.
    Any,
    /// Powers of two.
    PowersOfTwo,
}

impl Sizes {
    /// The smallest size that has room for `bytes`.
    pub(crate) fn at_least(self, bytes: u64) -> u64 {
        match self {
            Self::Any => bytes,
            Self::PowersOfTwo => bytes.checked_next_power_of_two().unwrap_or(bytes),
        }
    }
}

/// The name of QEMU's node that has the disk's content.
pub(crate) const NODE: &str = "disk";

impl DiskKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Virtio,
        Self::VirtioScsi,
        Self::Nvme,
        Self::Ahci,
        Self::Ide,
        Self::Usb,
        Self::Sd,
        Self::Megasas,
        Self::MegasasGen2,
        Self::Mptsas,
        Self::Lsi,
        Self::Pvscsi,
    ];

    /// Its names, the shortest first.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Virtio => &["virtio", "virtio-blk", "virtio-blk-pci"],
            Self::VirtioScsi => &["scsi", "virtio-scsi", "virtio-scsi-pci"],
            Self::Nvme => &["nvme"],
            Self::Ahci => &["ahci", "sata", "ich9-ahci"],
            Self::Ide => &["ide", "pata", "piix4-ide"],
            Self::Usb => &["usb", "usb-storage"],
            Self::Sd => &["sd", "sd-card", "sdhci", "sdhci-pci"],
            Self::Megasas => &["megasas"],
            Self::MegasasGen2 => &["megasas-gen2"],
            Self::Mptsas => &["mptsas", "mptsas1068"],
            Self::Lsi => &["lsi", "lsi53c895a"],
            Self::Pvscsi => &["pvscsi"],
        }
    }

    /// The shortest of its names.
    pub fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or_default()
    }

    /// What it is, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Virtio => "virtio-blk, of most virtual machines",
            Self::VirtioScsi => "SCSI on virtio",
            Self::Nvme => "NVMe",
            Self::Ahci => "SATA",
            Self::Ide => "PATA; the machine is an i440fx then",
            Self::Usb => "a stick on USB 3",
            Self::Sd => "an SD card",
            Self::Megasas => "LSI MegaRAID SAS 1078",
            Self::MegasasGen2 => "LSI MegaRAID SAS 2108",
            Self::Mptsas => "LSI SAS 1068",
            Self::Lsi => "LSI 53C895A",
            Self::Pvscsi => "VMware's paravirtual SCSI",
        }
    }

    /// Its sizes: QEMU ends at once where a card has another (hw/sd/sd.c).
    pub(crate) fn sizes(self) -> Sizes {
        match self {
            Self::Sd => Sizes::PowersOfTwo,
            _ => Sizes::Any,
        }
    }

    /// QEMU's name of the machine: i440fx is the one whose own controller is PATA.
    pub(crate) fn machine(self) -> &'static str {
        match self {
            Self::Ide => "pc",
            _ => "q35",
        }
    }

    /// The devices: the controller where it is one of its own, then the disk, `disk0`, with
    /// `more` of its properties.
    pub(crate) fn devices(self, more: &str) -> Vec<String> {
        let disk = |driver: &str| format!("{driver},drive={NODE},id=disk0{more},bootindex=1");
        let controller = match self {
            Self::Virtio => return vec![disk("virtio-blk-pci")],
            // The machine has the controller; the ISO's drive takes another of its ports.
            Self::Ahci | Self::Ide => return vec![disk("ide-hd,bus=ide.0")],
            Self::Nvme => return vec![disk("nvme,serial=disk0")],
            Self::Usb => return vec!["qemu-xhci".into(), disk("usb-storage")],
            // It has no place in the order of boot.
            Self::Sd => {
                return vec!["sdhci-pci".into(), format!("sd-card,drive={NODE},id=disk0{more}")];
            }
            Self::VirtioScsi => "virtio-scsi-pci",
            Self::Megasas => "megasas",
            Self::MegasasGen2 => "megasas-gen2",
            // Without a name a disk has the SAS address 0, and Linux's mptsas takes that for a phy
            // with nothing on it.
            Self::Mptsas => {
                let disk = disk("scsi-hd,bus=bus0.0,wwn=0x5000c50000000001");
                return vec!["mptsas1068,id=bus0".into(), disk];
            }
            Self::Lsi => "lsi53c895a",
            Self::Pvscsi => "pvscsi",
        };
        vec![format!("{controller},id=bus0"), disk("scsi-hd,bus=bus0.0")]
    }
}

/// A word that is no name of a disk.
#[derive(Debug, thiserror::Error)]
#[error("there is no disk of the kind `{0}`")]
pub struct UnknownDisk(String);

impl FromStr for DiskKind {
    type Err = UnknownDisk;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|kind| kind.names().contains(&text));
        named.ok_or_else(|| UnknownDisk(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_names_of_its_own() {
        let mut names = BTreeSet::new();
        for kind in DiskKind::ALL {
            for name in kind.names() {
                assert!(names.insert(*name), "{name} is there twice");
                assert_eq!(name.parse::<DiskKind>().unwrap(), kind);
            }
        }
        let error = "floppy".parse::<DiskKind>().unwrap_err().to_string();
        assert_eq!(error, "there is no disk of the kind `floppy`");
    }

    #[test]
    fn a_card_has_a_power_of_two() {
        assert_eq!(DiskKind::Sd.sizes().at_least(832 << 20), 1 << 30);
        assert_eq!(DiskKind::Sd.sizes().at_least(1 << 30), 1 << 30);
        assert_eq!(DiskKind::Nvme.sizes().at_least(832 << 20), 832 << 20);
    }

    #[test]
    fn a_disk_on_a_controller_names_its_bus() {
        assert_eq!(
            DiskKind::Virtio.devices(""),
            ["virtio-blk-pci,drive=disk,id=disk0,bootindex=1"]
        );
        assert_eq!(
            DiskKind::Megasas.devices(",write-cache=on"),
            [
                "megasas,id=bus0",
                "scsi-hd,bus=bus0.0,drive=disk,id=disk0,write-cache=on,bootindex=1"
            ]
        );
    }
}
