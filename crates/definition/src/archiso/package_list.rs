//! packages.x86_64: which packages, without those that no server of Heirloom needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::report::{Left, Report, place};
use super::text::Text;
use crate::packages::request;
use crate::{Constraint, PackageName, Problem};

/// What starts an ISO.
const BOOT_LOADERS: [&str; 8] = [
    "syslinux",
    "grub",
    "efibootmgr",
    "edk2-shell",
    "memtest86+",
    "memtest86+-efi",
    "refind",
    "limine",
];

/// What makes an initramfs, besides all that is called `mkinitcpio-...`.
const INITRAMFS: [&str; 3] = ["mkinitcpio", "booster", "dracut"];

/// Microcode: a part of an initramfs.
const MICROCODE: [&str; 2] = ["amd-ucode", "intel-ucode"];

/// Arch's kernels.
const KERNELS: [&str; 6] =
    ["linux", "linux-lts", "linux-zen", "linux-hardened", "linux-rt", "linux-rt-lts"];

/// The packages of a server.
#[derive(Debug, Default)]
pub(super) struct Packages {
    /// As `[packages] install` has them, in the order of the list.
    pub(super) install: Vec<String>,
    /// `[kernel] package`, where it is not the board's.
    pub(super) kernel: Option<String>,
}

/// What there is without the list.
pub(super) struct Brought<'a> {
    /// The board's kernel packages.
    pub(super) kernel: &'a [PackageName],
    /// By the roles, which are named.
    pub(super) roles: &'a BTreeMap<PackageName, String>,
    /// The archive's repositories.
    pub(super) repositories: &'a [String],
}

/// Reads the list of the profile in `root`: one package a line, `#` begins a comment.
pub(super) fn read(
    text: &Text,
    root: &Path,
    brought: &Brought<'_>,
    report: &mut Report,
    problems: &mut Vec<Problem>,
) -> Packages {
    let mut packages = Packages::default();
    let mut kernels = Vec::new();
    let mut seen = BTreeSet::new();
    for (span, line) in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let written = line.trim();
        if written.is_empty() {
            continue;
        }
        let start = span.start + (line.len() - line.trim_start().len());
        let origin = || text.origin(start..start + written.len());
        // pacman has the repository first, a definition last.
        let turned =
            written.split_once('/').map(|(repository, name)| format!("{name}/{repository}"));
        let wanted = turned.as_deref().unwrap_or(written);
        let (name, constraint) = match request(wanted) {
            Ok(request) => request,
            Err(refused) => {
                let message = format!("`{}` {refused}", written.escape_debug());
                problems.push(Problem::new(&origin(), message).hint(refused.hint));
                continue;
            }
        };
        if let Constraint::Suite(repository) = &constraint
            && !brought.repositories.iter().any(|known| known == repository.as_str())
        {
            let message = format!("`{name}` is to come from `{repository}`, which is not there");
            let hint = format!("pacman.conf has: {}", brought.repositories.join(", "));
            problems.push(Problem::new(&origin(), message).hint(hint));
            continue;
        }
        if !seen.insert(name.clone()) {
            continue;
        }
        let at = || place(root, &origin());
        let mut left = |kind, what: String| report.left(kind, what, Some(at()));
        match name.as_str() {
            known if BOOT_LOADERS.contains(&known) => {
                left(Left::BootLoader, format!("package {known}"));
            }
            known if INITRAMFS.contains(&known) || known.starts_with("mkinitcpio-") => {
                left(Left::Initramfs, format!("package {known}"));
            }
            known if MICROCODE.contains(&known) => {
                left(Left::Initramfs, format!("package {known}"));
                let message = format!("{known}: no microcode is loaded; let the firmware do it");
                report.decide(at(), message);
            }
            known if KERNELS.contains(&known) => kernels.push((known.to_owned(), at())),
            known => match brought.roles.get(&name) {
                Some(role) => left(Left::Roles, format!("package {known} (`{role}`)")),
                None => packages.install.push(wanted.to_owned()),
            },
        }
    }
    packages.kernel = kernel(kernels, brought, report);
    packages
}

/// A server has one kernel: the board's if the list has that, else the list's first.
fn kernel(
    kernels: Vec<(String, String)>,
    brought: &Brought<'_>,
    report: &mut Report,
) -> Option<String> {
    let is_boards = |name: &str| brought.kernel.iter().any(|kernel| kernel.as_str() == name);
    let chosen = kernels.iter().find(|(name, _)| is_boards(name)).or(kernels.first());
    let chosen = chosen.map(|(name, _)| name.clone());
    for (name, at) in kernels {
        if is_boards(&name) {
            report.left(Left::Kernel, format!("package {name}, the board's"), Some(at));
        } else if chosen.as_ref() != Some(&name) {
            let chosen = chosen.as_deref().unwrap_or_default();
            report.left(Left::Kernel, format!("package {name}"), Some(at.clone()));
            report.decide(at, format!("{name}: a server has one kernel, here {chosen}"));
        }
    }
    chosen.filter(|name| !is_boards(name))
}
