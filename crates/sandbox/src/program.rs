//! The closed list of programs.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// A group of tools: a root of its own, fetched when it is first needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Layers, file systems, disks, boot media.
    Image,
    /// The compiler of the programs that run on servers.
    Guest,
    /// Virtual machines.
    Qemu,
    /// Arch's package manager.
    Pacman,
    /// Installs Debian's packages as apt does: what package trees are measured by.
    Mmdebstrap,
    /// What tests compare our own work with.
    Check,
}

impl Group {
    /// The groups that a build of any server may need.
    pub const BUILD: [Self; 2] = [Self::Image, Self::Guest];

    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Image, Self::Guest, Self::Qemu, Self::Pacman, Self::Mmdebstrap, Self::Check];

    /// The name in `tools.toml` and `tools.lock`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Guest => "guest",
            Self::Qemu => "qemu",
            Self::Pacman => "pacman",
            Self::Mmdebstrap => "mmdebstrap",
            Self::Check => "check",
        }
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! programs {
    ($($(#[$doc:meta])* $name:ident = $group:ident $path:literal,)*) => {
        /// Every program that may be started, and where it lies.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Program {
            $($(#[$doc])* $name,)*
        }

        impl Program {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The group that has it.
            pub fn group(self) -> Group {
                match self {
                    $(Self::$name => Group::$group,)*
                }
            }

            /// Its absolute path in the group's root.
            pub fn path(self) -> &'static Path {
                Path::new(match self {
                    $(Self::$name => $path,)*
                })
            }
        }
    };
}

programs! {
    /// Makes a squashfs of directories.
    Mksquashfs = Image "/usr/bin/mksquashfs",
    /// Makes a squashfs of a tar archive.
    Sqfstar = Image "/usr/bin/sqfstar",
    /// Lists and unpacks a squashfs.
    Unsquashfs = Image "/usr/bin/unsquashfs",
    /// Makes an ext4.
    Mke2fs = Image "/usr/sbin/mke2fs",
    /// Checks an ext4.
    E2fsck = Image "/usr/sbin/e2fsck",
    /// Reads and writes single files of an ext4.
    Debugfs = Image "/usr/sbin/debugfs",
    /// Shows the superblock of an ext4.
    Dumpe2fs = Image "/usr/sbin/dumpe2fs",
    /// Makes a FAT.
    MkfsFat = Image "/usr/sbin/mkfs.fat",
    /// Checks a FAT.
    FsckFat = Image "/usr/sbin/fsck.fat",
    /// Copies files into and out of a FAT.
    Mcopy = Image "/usr/bin/mcopy",
    /// Makes directories in a FAT.
    Mmd = Image "/usr/bin/mmd",
    /// Lists directories of a FAT.
    Mdir = Image "/usr/bin/mdir",
    /// Installs the BIOS bootloader into a FAT.
    Syslinux = Image "/usr/bin/syslinux",
    /// Makes and reads ISO 9660.
    Xorriso = Image "/usr/bin/xorriso",
    /// Makes an erofs.
    MkfsErofs = Image "/usr/bin/mkfs.erofs",
    /// Checks and unpacks an erofs.
    FsckErofs = Image "/usr/bin/fsck.erofs",
    /// Shows what is in an erofs.
    DumpErofs = Image "/usr/bin/dump.erofs",
    /// Builds crates.
    Cargo = Guest "/usr/bin/cargo",
    /// Compiles a crate.
    Rustc = Guest "/usr/bin/rustc",
    /// Links.
    Gcc = Guest "/usr/bin/gcc",
    /// A PC.
    QemuSystemX86 = Qemu "/usr/bin/qemu-system-x86_64",
    /// Converts disk images.
    QemuImg = Qemu "/usr/bin/qemu-img",
    /// Installs Arch's packages.
    Pacman = Pacman "/usr/bin/pacman",
    /// Reads and writes archives.
    Bsdtar = Pacman "/usr/bin/bsdtar",
    /// Makes a system of Debian's packages with apt.
    Mmdebstrap = Mmdebstrap "/usr/bin/mmdebstrap",
    /// Resolves Debian's packages.
    AptGet = Check "/usr/bin/apt-get",
    /// Asks for Debian's packages.
    AptCache = Check "/usr/bin/apt-cache",
    /// Speaks http, smtp, imap.
    Curl = Check "/usr/bin/curl",
    /// Clones and pushes.
    Git = Check "/usr/bin/git",
    /// Logs in.
    Ssh = Check "/usr/bin/ssh",
    /// Makes keys.
    SshKeygen = Check "/usr/bin/ssh-keygen",
    /// Makes and checks dm-verity hash trees.
    Veritysetup = Check "/usr/sbin/veritysetup",
}
