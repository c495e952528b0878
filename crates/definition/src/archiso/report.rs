//! What became of a profile: what was taken, what no longer applies, what a person has to decide.

use std::path::PathBuf;

use jiff::civil::Date;
use serde::Serialize;

use super::text::shown;
use crate::Origin;

/// A server that was made of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// Its name.
    pub server: String,
    /// Its directory.
    pub dir: PathBuf,
    /// The day of the archive.
    pub date: Date,
    /// The files and symlinks that were written, relative to `dir`, sorted.
    pub files: Vec<PathBuf>,
    /// How many packages its server.toml asks for.
    pub packages: usize,
    /// The users that it declares.
    pub users: Vec<String>,
    /// The groups that it declares.
    pub groups: Vec<String>,
    /// What no longer applies, in the order of [`Left`].
    pub left_out: Vec<LeftOut>,
    /// What is another matter on the server, and for a person to settle.
    pub to_decide: Vec<Decision>,
}

/// A part of a profile that no longer applies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// Why.
    pub kind: Left,
    /// What: `package syslinux`, `efiboot/`, `iso_label`.
    pub what: String,
    /// The file and the line, relative to the profile.
    pub place: Option<String>,
}

/// Why something no longer applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Left {
    /// Boot loaders.
    BootLoader,
    /// mkinitcpio and its kin.
    Initramfs,
    /// The kernel.
    Kernel,
    /// What the medium is called and how it is packed.
    Medium,
    /// How pacman is run.
    Pacman,
    /// passwd and the like.
    Accounts,
    /// What the server's roles bring.
    Roles,
    /// What is empty in every image.
    Emptied,
}

impl Left {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 8] = [
        Self::BootLoader,
        Self::Initramfs,
        Self::Kernel,
        Self::Medium,
        Self::Pacman,
        Self::Accounts,
        Self::Roles,
        Self::Emptied,
    ];

    /// Its name and what takes the place of such things.
    pub fn why(self) -> &'static str {
        match self {
            Self::BootLoader => "boot loader: every image has one, for what its board starts with",
            Self::Initramfs => "initramfs: Heirloom's own; its modules are those of the board",
            Self::Kernel => "kernel: the board or [kernel] names it",
            Self::Medium => "medium: `image --format` and [layers] say how it is packed",
            Self::Pacman => {
                "pacman: runs at build time, with a configuration and keyring of its own"
            }
            Self::Accounts => "accounts: [users] and [groups] in place of the files",
            Self::Roles => "roles: the server has it from `base` or `ssh`",
            Self::Emptied => "emptied: mkarchiso removes it as well, or the first boot makes it",
        }
    }
}

/// Something that a person has to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Decision {
    /// The file and the line, relative to the profile.
    pub place: String,
    /// What it is and what to do.
    pub message: String,
}

/// Collects both lists while a profile is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) left_out: Vec<LeftOut>,
    pub(super) to_decide: Vec<Decision>,
}

impl Report {
    /// Something of a file's line no longer applies.
    pub(super) fn left(&mut self, kind: Left, what: impl Into<String>, place: Option<String>) {
        self.left_out.push(LeftOut { kind, what: what.into(), place });
    }

    /// A person has to look at `place`.
    pub(super) fn decide(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.to_decide.push(Decision { place: place.into(), message: message.into() });
    }

    /// Both lists, sorted; nothing is said twice.
    pub(super) fn finish(mut self) -> (Vec<LeftOut>, Vec<Decision>) {
        self.left_out.sort();
        self.left_out.dedup();
        self.to_decide.sort();
        self.to_decide.dedup();
        (self.left_out, self.to_decide)
    }
}

/// `profiledef.sh:12`: the file as the profile's own directory has it.
pub(super) fn place(profile: &std::path::Path, origin: &Origin) -> String {
    let file = origin.file.strip_prefix(profile).unwrap_or(&origin.file).display();
    let file = shown(&file.to_string());
    match origin.line {
        0 => file,
        line => format!("{file}:{line}"),
    }
}
