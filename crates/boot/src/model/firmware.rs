//! What bootloaders do with the files.
//!
//! systemd-boot 252 to 257: entries are sorted by `sort-key`, then by `version`, higher first, and
//! those without tries left go behind all others; the first is started, after its counter has been
//! changed in the file's name. An entry without a kernel that is there is none.
//!
//! syslinux 6.04: the configuration is read from its beginning, what is included in its place; the
//! last `DEFAULT` counts, and the first of two labels of one name
//! (`com32/elflink/ldlinux/readconfig.c`, `unlabel`). The label that is to be started once is taken
//! out of `ldlinux.sys` first. When a label is not there or its kernel is not, what `ONERROR` names
//! is started.

use std::collections::BTreeMap;

use super::Memory;
use crate::syslinux::{CONFIGURATION, LDLINUX, adv::Adv};
use crate::systemd_boot::{FOLDER, Name, Tries};
use crate::{Partition, partition::SECTOR};

/// Which firmware a machine has, and so which bootloader starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// systemd-boot.
    Uefi,
    /// syslinux.
    Bios,
}

/// What was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The kernel's bytes.
    pub kernel: Vec<u8>,
    /// The initramfs's bytes.
    pub initramfs: Vec<u8>,
    /// The kernel's command line.
    pub cmdline: String,
}

impl Firmware {
    /// Starts the machine: changes what the bootloader changes. Nothing when it ends at a prompt.
    pub fn start(self, partition: &mut Memory) -> Option<Started> {
        match self {
            Self::Uefi => systemd_boot(partition),
            Self::Bios => syslinux(partition),
        }
    }
}

fn systemd_boot(partition: &mut Memory) -> Option<Started> {
    let mut entries = Vec::new();
    for file in partition.list(FOLDER).ok()? {
        // Entries of other names are not what is modelled.
        let Some(name) = Name::parse(&file) else { continue };
        let bytes = partition.file(&name.path())?.to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
            line.map(str::to_owned)
        };
        let (Some(version), Some(linux)) = (value("version"), value("linux")) else { continue };
        let Ok(version) = version.parse::<u64>() else { continue };
        let started = || {
            Some(Started {
                kernel: partition.file(linux.trim_start_matches('/'))?.to_vec(),
                initramfs: partition.file(value("initrd")?.trim_start_matches('/'))?.to_vec(),
                cmdline: value("options")?,
            })
        };
        let Some(started) = started() else { continue };
        let used_up = name.tries.is_some_and(|tries| tries.left == 0);
        entries.push((!used_up, version, name, started));
    }
    entries.sort_by_key(|(good, version, ..)| (*good, *version));
    let (_, _, name, started) = entries.pop()?;
    if let Some(Tries { left: left @ 1.., done }) = name.tries {
        let counted =
            Name { tries: Some(Tries { left: left - 1, done: done + 1 }), ..name.clone() };
        let bytes = partition.take(&name.path())?;
        partition.put(&counted.path(), bytes);
    }
    Some(started)
}

fn syslinux(partition: &mut Memory) -> Option<Started> {
    let ldlinux = partition.file(LDLINUX)?.to_vec();
    let [first, second] = [2, 1].map(|copy| ldlinux.len() - copy * SECTOR);
    let copy = |at: usize| Adv::parse(&ldlinux[at..at + SECTOR]);
    let once = copy(first).or_else(|| copy(second)).unwrap_or_default().boot_once();
    if once.is_some() {
        let empty = Adv::default().to_bytes();
        partition.put(LDLINUX, [&ldlinux[..first], &empty, &empty].concat());
    }

    let mut labels = Labels::default();
    labels.read(partition, CONFIGURATION);
    let wanted = once.or(labels.default.clone());
    let [wanted, otherwise] = [wanted, labels.otherwise.clone()]
        .map(|label| label.and_then(|label| labels.start(partition, &label)));
    wanted.or(otherwise)
}

#[derive(Default)]
struct Labels {
    default: Option<String>,
    otherwise: Option<String>,
    labels: Vec<(String, BTreeMap<&'static str, String>)>,
}

impl Labels {
    fn read(&mut self, partition: &Memory, path: &str) {
        let Some(bytes) = partition.file(path) else { return };
        for line in String::from_utf8_lossy(bytes).lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let value = value.to_owned();
            match key {
                "INCLUDE" => self.read(partition, value.trim_start_matches('/')),
                "DEFAULT" => self.default = Some(value),
                "ONERROR" => self.otherwise = Some(value),
                "LABEL" => self.labels.push((value, BTreeMap::new())),
                _ => {
                    let known = ["KERNEL", "INITRD", "APPEND"].into_iter().find(|it| *it == key);
                    if let Some((key, (_, label))) = known.zip(self.labels.last_mut()) {
                        label.insert(key, value);
                    }
                }
            }
        }
    }

    fn start(&self, partition: &Memory, label: &str) -> Option<Started> {
        let (_, label) = self.labels.iter().find(|(name, _)| name == label)?;
        let file = |key| Some(partition.file(label.get(key)?.trim_start_matches('/'))?.to_vec());
        Some(Started {
            kernel: file("KERNEL")?,
            initramfs: file("INITRD")?,
            cmdline: label.get("APPEND")?.clone(),
        })
    }
}
