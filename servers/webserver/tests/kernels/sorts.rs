//! Which kernels are tried on which machines.

use anyhow::Result;
use testbed::{DiskKind, Firmware, Testbed};

/// A kernel package of Debian.
pub(crate) struct Kernel {
    pub(crate) suite: &'static str,
    pub(crate) pocket: Option<&'static str>,
    pub(crate) package: &'static str,
}

const GENERAL: &str = "linux-image-amd64";
const CLOUD: &str = "linux-image-cloud-amd64";

pub(crate) const KERNELS: [Kernel; 6] = [
    Kernel { suite: "bookworm", pocket: None, package: GENERAL },
    Kernel { suite: "bookworm", pocket: Some("backports"), package: GENERAL },
    Kernel { suite: "trixie", pocket: None, package: GENERAL },
    Kernel { suite: "bookworm", pocket: None, package: CLOUD },
    Kernel { suite: "bookworm", pocket: Some("backports"), package: CLOUD },
    Kernel { suite: "trixie", pocket: None, package: CLOUD },
];

/// A machine that a kernel is tried on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hardware {
    pub(crate) disk: DiskKind,
    pub(crate) firmware: Firmware,
}

impl Kernel {
    /// What the table calls it.
    pub(crate) fn name(&self) -> String {
        let pocket = self.pocket.map(|pocket| format!("-{pocket}")).unwrap_or_default();
        format!("{}{pocket} {}", self.suite, self.package)
    }

    /// The machines: BIOS with each disk, UEFI with those that its driver is another for.
    pub(crate) fn machines(&self) -> Vec<Hardware> {
        let bios = DiskKind::ALL.map(|disk| Hardware { disk, firmware: Firmware::Bios });
        let uefi = [DiskKind::Virtio, DiskKind::Nvme, DiskKind::Ahci, DiskKind::Usb];
        let uefi = uefi.map(|disk| Hardware { disk, firmware: Firmware::Uefi });
        let all = bios.into_iter().chain(uefi);
        all.filter(|machine| self.has_driver(machine.disk)).collect()
    }

    /// Whether the package has a driver of the disk: the cloud kernel has those of virtual machines,
    /// that of bookworm itself (6.1) without SATA.
    fn has_driver(&self, disk: DiskKind) -> bool {
        use DiskKind::{Ahci, Ide, Nvme, Pvscsi, Virtio, VirtioScsi};
        self.package == GENERAL
            || matches!(disk, Virtio | VirtioScsi | Nvme | Ide | Pvscsi)
            || (disk == Ahci && (self.suite, self.pocket) != ("bookworm", None))
    }

    /// Has the server of `testbed` this kernel, of the archive as it is today.
    pub(crate) fn choose(&self, testbed: &Testbed) -> Result<()> {
        let suite = |suite: &str| format!("suite = \"{suite}\"\n");
        testbed.edit(&suite("bookworm"), &suite(self.suite))?;
        let of = |pocket: &str| format!("pocket = \"{pocket}\"\n");
        let pocket = self.pocket.map(of).unwrap_or_default();
        let package = format!("{pocket}package = \"{}\"\n", self.package);
        testbed.edit(&of("backports"), &package)?;
        if self.pocket.is_none() {
            testbed.edit("pockets = [\"backports\"]\n", "")?;
        }
        testbed.move_to_today()
    }
}
