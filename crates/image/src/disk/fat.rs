//! FAT filesystems inside an image: the boot partition, and what UEFI boots from an ISO.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use sandbox::{Command, Program, ToolRoot};

use crate::place::Place;
use crate::{Error, Result};

/// Where programs see the files to copy.
const FILES: &str = "/work/files";

/// How many bits a cluster's number has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bits {
    /// 16: from 8 to 128 MiB.
    Sixteen,
    /// 32: from 128 MiB.
    ThirtyTwo,
}

/// A FAT that is to be made in an image.
pub(crate) struct Fat<'a> {
    /// The root of the group Image.
    pub(crate) tools: &'a ToolRoot,
    /// The image.
    pub(crate) image: &'a Place,
    /// Where in the image it begins, in bytes.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Which FAT.
    pub(crate) bits: Bits,
    /// Its serial number.
    pub(crate) serial: u32,
    /// Its label: at most 11 of A-Z and 0-9.
    pub(crate) label: &'a str,
    /// The time of everything in it.
    pub(crate) epoch: u64,
}

impl Fat<'_> {
    /// Makes it with the files `paths` of the folder `staging`, and their directories.
    pub(crate) fn make(&self, staging: &Path, paths: &BTreeSet<String>) -> Result<()> {
        self.format()?;
        let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in paths {
            let (folder, _) = path.rsplit_once('/').unwrap_or(("", path));
            folders.entry(folder).or_default().push(path);
        }
        let made: BTreeSet<&str> = folders.keys().flat_map(|folder| ancestors(folder)).collect();
        if !made.is_empty() {
            let names = made.into_iter().map(|folder| format!("::/{folder}"));
            self.run(self.mtool(Program::Mmd).args(names))?;
        }
        // One by one, in our order: a recursive copy takes the order of readdir.
        for (folder, paths) in folders {
            let sources = paths.iter().map(|path| format!("{FILES}/{path}"));
            let copy = self.mtool(Program::Mcopy).args(sources).arg(format!("::/{folder}"));
            self.run(copy.bind_ro(staging, FILES))?;
        }
        Ok(())
    }

    fn format(&self) -> Result<()> {
        let serial = format!("{:08x}", self.serial);
        let bits = match self.bits {
            Bits::Sixteen => "16",
            Bits::ThirtyTwo => "32",
        };
        let command = self
            .tools
            .command(Program::MkfsFat)
            // Clusters of 2 KiB: it is their number that makes a FAT16 or FAT32 (Microsoft's
            // specification), less or more than 65,525.
            .args(["--invariant", "-F", bits, "-S", "512", "-s", "4", "-i", &serial])
            .args(["-n", self.label, "--offset", &(self.offset / 512).to_string()])
            .args([self.image.inside(), &(self.size / 1024).to_string()]);
        self.run(command)
    }

    fn mtool(&self, program: Program) -> Command {
        let mut drive = OsString::from(self.image.inside());
        drive.push(format!("@@{}", self.offset));
        self.tools.command(program).arg("-i").arg(drive)
    }

    fn run(&self, command: Command) -> Result<()> {
        let command = self.image.show(command).epoch(self.epoch).free_sync();
        let run = command.run();
        run.map_err(|source| Error::Tool { what: "boot partition", source }).map(|_| ())
    }
}

/// A folder and the folders above it, without the root: `a`, `a/b`, `a/b/c`.
fn ancestors(folder: &str) -> impl Iterator<Item = &str> {
    let ends = folder.match_indices('/').map(|(index, _)| index);
    ends.chain([folder.len()]).map(|end| &folder[..end]).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_from_the_top() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
        assert_eq!(ancestors("").count(), 0);
    }
}
