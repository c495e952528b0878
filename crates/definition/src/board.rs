//! board.toml: the machine that a server runs on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::kernel;
use crate::names::{Refused, checked_text, shown};
use crate::{
    DistributionName, KernelArgument, Origin, PackageName, PartName, Problems, read, suggest,
};

/// The whole of board.toml.
///
/// ```toml
/// architecture = "x86_64"              # or "aarch64"
/// firmware = ["bios", "uefi"]          # what starts the machine; the boot partition serves all
///
/// [kernel]
/// cmdline = ["console=ttyS0,115200"]
/// [kernel.debian]
/// packages = ["linux-image-cloud-amd64"]
/// [kernel.arch]
/// packages = ["linux"]
///
/// [initramfs]
/// watchdog = ["i6300esb"]              # loaded before all others, where the kernel has it
/// required = ["virtio_mmio"]           # loaded on every machine; a kernel without it is refused
/// optional = ["nvme", "drivers/ata/"]  # what the kernel has of it, loaded where a device asks
/// ```
///
/// What init itself needs (the filesystems that it mounts, their hashes) need not be listed, nor
/// what modules depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    /// The name of its folder.
    pub name: PartName,
    /// Its folder.
    pub dir: PathBuf,
    /// Its processor.
    pub architecture: Architecture,
    /// What starts it, sorted.
    pub firmware: Vec<Firmware>,
    /// The kernel's command line.
    pub cmdline: Vec<KernelArgument>,
    /// The kernel's packages, by distribution.
    pub kernel: Vec<(DistributionName, Vec<PackageName>)>,
    /// What the initramfs has to hold.
    pub initramfs: Initramfs,
    /// The size of board.toml.
    pub bytes: u64,
    /// board.toml.
    pub origin: Origin,
}

/// The kernel modules that are needed before the root is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initramfs {
    /// The drivers of watchdogs, those that the kernel has and a device asks for: they come first,
    /// so that a module that hangs is noticed.
    pub watchdog: Vec<Module>,
    /// Loaded on every machine; each must be a module of the kernel, an alias, or built in.
    pub required: Vec<Module>,
    /// Those that the kernel has; loaded where a device asks for them.
    pub optional: Vec<Drivers>,
}

checked_text! {
    /// The name of a kernel module, with `-` or `_` (modprobe(8) does not tell them apart).
    Module, check_module
}

fn check_module(text: &str) -> Result<(), Refused> {
    let hint = "a module's name without `.ko`; as in `virtio_blk`";
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match text.chars().find(|&c| !allowed(c)) {
        Some(wrong) => Err(Refused::new(format!("has {}", shown(wrong)), hint)),
        None if text.is_empty() => Err(Refused::new("is empty", hint)),
        None => Ok(()),
    }
}

checked_text! {
    /// A kernel module, or with a `/` behind it a folder below the kernel's own: all modules in it.
    Drivers, check_drivers
}

fn check_drivers(text: &str) -> Result<(), Refused> {
    let Some(folder) = text.strip_suffix('/') else { return check_module(text) };
    let hint = "a folder as the kernel has it, without `kernel/`; as in `drivers/ata/`";
    if folder.starts_with("kernel/") {
        return Err(Refused::new("begins with `kernel/`", hint));
    }
    match folder.split('/').all(|part| check_module(part).is_ok()) {
        true => Ok(()),
        false => Err(Refused::new("is no folder of modules", hint)),
    }
}

impl Module {
    /// With `_` throughout, as `modules.dep` and `/proc/modules` name it.
    pub fn canonical(&self) -> String {
        self.as_str().replace('-', "_")
    }
}

/// A processor, as the kernel names it (`uname -m`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Architecture {
    /// `x86_64`.
    #[serde(rename = "x86_64")]
    X86_64,
    /// `aarch64`.
    #[serde(rename = "aarch64")]
    Aarch64,
}

impl Architecture {
    const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The kernel's and Arch's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Debian's name.
    pub fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Architecture {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| Refused {
            message: "is no architecture that boards can have".to_owned(),
            hint: match Self::ALL.into_iter().find(|name| name.debian() == text) {
                Some(name) => Some(format!("did you mean `{name}`?")),
                None => suggest::hint(text, "architectures", Self::ALL.map(Self::as_str)),
            },
        })
    }
}

/// What starts a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// A PC's BIOS: syslinux.
    Bios,
    /// UEFI: systemd-boot.
    Uefi,
}

impl Firmware {
    const ALL: [Self; 2] = [Self::Bios, Self::Uefi];

    /// As it is written in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
        }
    }
}

impl FromStr for Firmware {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let found = Self::ALL.into_iter().find(|firmware| firmware.as_str() == text);
        found.ok_or_else(|| Refused {
            message: "is no firmware that images can be made for".to_owned(),
            hint: suggest::hint(text, "firmware", Self::ALL.map(Self::as_str)),
        })
    }
}

impl Board {
    /// Reads `text`, the content of `file` in `dir`, the folder of the board `name`.
    pub fn parse(name: PartName, dir: &Path, file: &Path, text: &str) -> Result<Self, Problems> {
        read::document(file, text, |mut table| {
            let architecture = table.required("architecture", r#"as in architecture = "x86_64""#);
            let architecture = architecture.and_then(|value| value.text());
            let firmware = table.required("firmware", r#"as in firmware = ["bios", "uefi"]"#);
            let mut firmware = firmware.map(|value| plain(&value)).unwrap_or_default();
            firmware.sort();
            let hint = "[kernel.debian] packages = [...] says what the kernel comes from";
            let kernel = table.required("kernel", hint).and_then(|value| value.table());
            let (cmdline, kernel) = kernel.map(read_kernel).unwrap_or_default();
            let initramfs = table.table("initramfs").map(Initramfs::read).unwrap_or_default();
            table.finish();
            Some(Self {
                name,
                dir: dir.to_owned(),
                architecture: architecture?.value,
                firmware,
                cmdline,
                kernel,
                initramfs,
                bytes: text.len() as u64,
                origin: Origin::file(file),
            })
        })
    }

    /// The packages of the kernel on `distribution`; none: the board does not know it.
    pub fn kernel_packages(&self, distribution: DistributionName) -> Option<&[PackageName]> {
        let found = self.kernel.iter().find(|(name, _)| *name == distribution);
        found.map(|(_, packages)| packages.as_slice())
    }
}

type KernelKeys = (Vec<KernelArgument>, Vec<(DistributionName, Vec<PackageName>)>);

fn read_kernel(mut table: read::Table<'_, '_>) -> KernelKeys {
    let cmdline = table.value("cmdline").map(|value| kernel::arguments(&value));
    let cmdline = cmdline.map(|all| all.into_iter().map(|argument| argument.value).collect());
    let mut packages = Vec::new();
    for name in DistributionName::ALL {
        let Some(mut keys) = table.table(name.as_str()) else { continue };
        let names = keys.required("packages", r#"as in packages = ["linux"]"#);
        if let Some(names) = names {
            packages.push((name, plain(&names)));
        }
        keys.finish();
    }
    table.finish();
    (cmdline.unwrap_or_default(), packages)
}

impl Initramfs {
    fn read(mut table: read::Table<'_, '_>) -> Self {
        let mut modules =
            |key| table.value(key).map(|value| plain::<Module>(&value)).unwrap_or_default();
        let (watchdog, required) = (modules("watchdog"), modules("required"));
        let optional = table.value("optional").map(|value| plain(&value)).unwrap_or_default();
        let modules = Self { watchdog, required, optional };
        table.finish();
        modules
    }
}

fn plain<T: FromStr<Err = Refused> + PartialEq>(value: &read::Value<'_, '_>) -> Vec<T> {
    value.texts().unwrap_or_default().into_iter().map(|item| item.value).collect()
}
