//! The machines.

use anyhow::Result;

use crate::tried::{self, Ground};
use crate::{disks, first_aid, full, lan};

/// A machine that lacks something.
pub(crate) struct Poor {
    pub(crate) name: &'static str,
    /// What `cargo xtask boot` is told to have it; QEMU's words.
    pub(crate) qemu: &'static [&'static str],
    /// Tries it; what was seen, in a few words.
    pub(crate) run: fn(&Ground<'_>, &Poor) -> Result<String>,
}

/// All of them.
pub(crate) const MACHINES: &[Poor] = &[
    Poor { name: "no screen", qemu: &[], run: tried::plain },
    Poor {
        name: "screen, no serial port",
        qemu: &["-serial", "none", "-vga", "std"],
        run: tried::plain,
    },
    Poor { name: "neither screen nor serial port", qemu: &["-serial", "none"], run: tried::plain },
    Poor { name: "clock of 1970", qemu: &["-rtc", "base=1970-01-01"], run: tried::clock },
    Poor {
        name: "two networks",
        qemu: &["-nic", "user,model=virtio-net-pci,net=10.0.3.0/24"],
        run: tried::two_cards,
    },
    Poor {
        name: "second card where nobody answers",
        qemu: &["-nic", "hubport,hubid=7,model=virtio-net-pci"],
        run: tried::two_cards,
    },
    Poor { name: "IPv6 only", qemu: &["-nic", "none"], run: lan::ipv6_only },
    Poor {
        name: "one core, 512 MB, a root that is filled",
        qemu: &["-m", "512", "-smp", "1"],
        run: full::full_root,
    },
    Poor {
        name: "one core, 512 MB, a /run that is filled",
        qemu: &["-m", "512", "-smp", "1"],
        run: full::full_run,
    },
    Poor { name: "a second disk with the same server", qemu: &[], run: disks::two_copies },
    Poor { name: "network lost", qemu: &["-vga", "std"], run: first_aid::offered },
];
