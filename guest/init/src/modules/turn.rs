//! When the driver of a device is loaded: disks of virtual machines and NVMe are there at once,
//! controllers of SATA, IDE, SCSI and SAS look for disks at each of their ports, and what hangs on
//! USB or is a card comes seconds later.

/// The turn of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Whatever is none of the others: disks without a controller, watchdogs and what leads to them,
    /// processors, and what a controller has brought, whose turn it was.
    #[default]
    Direct,
    /// Controllers of disks.
    Controllers,
    /// Controllers of USB and of cards.
    Buses,
}

impl Turn {
    /// When all devices have had theirs.
    pub(super) const LAST: Self = Self::Buses;

    /// The turn of the device with this alias. On PCI the class decides (pci.ids: 01 disks, 01 08 among
    /// them NVMe, 0c 03 USB, 08 05 cards).
    pub(super) fn of(alias: &str) -> Self {
        let Some(("pci", id)) = alias.split_once(':') else { return Self::Direct };
        let is = |class: &str| id.contains(class);
        if id.starts_with(VIRTIO) || is("bc01sc08") {
            Self::Direct
        } else if is("bc01") {
            Self::Controllers
        } else if is("bc0Csc03") || is("bc08sc05") {
            Self::Buses
        } else {
            Self::Direct
        }
    }

    /// The turn after it; the last stays.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Direct => Self::Controllers,
            Self::Controllers | Self::Buses => Self::Buses,
        }
    }
}

/// The vendor of virtio's devices, whose classes are those of disks too.
const VIRTIO: &str = "v00001AF4";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_without_a_controller_come_first_and_usb_last() {
        for (alias, turn) in [
            ("virtio:d00000002v00001AF4", Turn::Direct),
            ("pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00", Turn::Direct),
            ("pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02", Turn::Direct),
            ("scsi:t-0x00", Turn::Direct),
            ("usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00", Turn::Direct),
            ("cpu:type:x86,ven0002fam000Fmod006B:feature:,0000", Turn::Direct),
            ("pci:v00008086d000025ABsv00001AF4sd00001100bc08sc80i00", Turn::Direct),
            // The bridge behind which iTCO_wdt is.
            ("pci:v00008086d00002918sv00001AF4sd00001100bc06sc01i00", Turn::Direct),
            ("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", Turn::Controllers),
            ("pci:v000015ADd000007C0sv000015ADsd000007C0bc01sc07i00", Turn::Controllers),
            ("pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30", Turn::Buses),
            ("pci:v00001B36d00000007sv00001AF4sd00001100bc08sc05i01", Turn::Buses),
        ] {
            assert_eq!(Turn::of(alias), turn, "{alias}");
        }
        assert_eq!(Turn::default().next().next().next(), Turn::LAST);
    }
}
