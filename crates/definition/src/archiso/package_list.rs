//! packages.x86_64: which packages, without those that no server of Heirloom needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::report::{Left, Report, place};
use super::text::Text;
use crate::packages::request;
use crate::{PackageName, Problem};

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

/// The repository that became a part of another, which pacman.conf may name no longer.
const MERGED: (&str, &str) = ("community", "extra");

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

/// Reads the list of the profile in `root`: one package a line or several, `#` begins a comment.
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
    for (start, written) in words(text) {
        let origin = || text.origin(start..start + written.len());
        let at = || place(root, &origin());
        // pacman has the repository first, a definition last.
        let (from, bare) = match written.split_once('/') {
            Some((repository, name)) => (Some(repository), name),
            None => (None, written),
        };
        let (name, _) = match request(bare) {
            Ok(request) => request,
            Err(refused) => {
                let message = format!("`{}` {refused}", written.escape_debug());
                problems.push(Problem::new(&origin(), message).hint(refused.hint));
                continue;
            }
        };
        let is_there = |name: &str| brought.repositories.iter().any(|known| known == name);
        let from = from.map(|from| match from == MERGED.0 && !is_there(from) {
            true => MERGED.1,
            false => from,
        });
        if let Some(from) = from
            && !is_there(from)
        {
            let message = format!(
                "{name} is left out: it is to come from `{}`, and [archive] has {}",
                from.escape_debug(),
                brought.repositories.join(", ")
            );
            report.decide(at(), message);
            continue;
        }
        let wanted = match from {
            // A definition names one of the two; a version is one of some repository.
            Some(from) if !bare.contains('=') => format!("{bare}/{from}"),
            _ => bare.to_owned(),
        };
        if !seen.insert(name.clone()) {
            continue;
        }
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
                None => packages.install.push(wanted),
            },
        }
    }
    packages.kernel = kernel(kernels, brought, report);
    packages
}

/// The words of a list, each with its place.
fn words(text: &Text) -> impl Iterator<Item = (usize, &str)> {
    text.lines().flat_map(|(span, line)| {
        let line = line.split('#').next().unwrap_or_default();
        // A file that was saved on Windows may begin with a byte order mark.
        let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
        let mut at = span.start;
        line.split_inclusive(blank).filter_map(move |piece| {
            let start = at;
            at += piece.len();
            let word = piece.trim_end_matches(blank);
            (!word.is_empty()).then_some((start, word))
        })
    })
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
