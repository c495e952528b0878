//! systemd-boot: entries of type #1 (The Boot Loader Specification) whose trial is counted in their
//! file names (Automatic Boot Assessment). It works without EFI variables.
//!
//! ```text
//! loader/entries/heirloom-<turn>-<number>.conf       confirmed
//! loader/entries/heirloom-<turn>-<number>+1.conf     armed
//! loader/entries/heirloom-<turn>-<number>+0-1.conf   started once: systemd-boot has renamed it
//! ```
//!
//! Turns count up with every entry that is written, and are the entries' `version`: the highest
//! comes first in the menu and is what is started, unless it has no tries left, which puts it last.
//! So a rolled back generation, whose number is lower, comes first all the same.
//!
//! An entry is written with its first line, the kernel's, as a comment, which makes it none. When
//! all of it is on the disk the comment is taken away, in one sector. Before it is removed it is
//! blanked: a later file that gets the same place on the disk, and whose own bytes do not reach it
//! when the power fails, must not be an entry again.

mod name;
mod text;

use std::collections::BTreeSet;
use std::io::Read;

use crate::partition::SECTOR;
use crate::{BootControl, Boots, Editing, Entry, Error, Partition, Result};

pub use name::{Name, Tries};

/// The folder of the entries.
pub const FOLDER: &str = "loader/entries";

/// Where systemd-boot has its own configuration.
const CONFIGURATION: &str = "loader/loader.conf";

/// systemd-boot.
#[derive(Clone, Copy, Debug)]
pub struct SystemdBoot;

impl SystemdBoot {
    /// Paths and texts of a medium whose only generation is `entry`, which is confirmed. It waits a
    /// second for a person to interrupt.
    pub fn first(entry: &Entry, editing: Editing) -> [(String, String); 2] {
        let name = Name { turn: 1, number: entry.number, tries: None };
        // loader.conf(5).
        let editor = match editing {
            Editing::Refused => "editor no\n",
            Editing::Allowed => "",
        };
        [
            (CONFIGURATION.to_owned(), format!("timeout 1\n{editor}")),
            (name.path(), text::confirmed(&name, entry)),
        ]
    }
}

impl BootControl for SystemdBoot {
    fn read(&self, partition: &dyn Partition) -> Result<Boots> {
        let names = entries(partition)?;
        let highest = |wanted: fn(&Name) -> bool| names.iter().filter(|it| wanted(it)).max();
        let default = highest(Name::is_confirmed);
        // One that comes behind the default is not started: a later one was confirmed, and then
        // the power failed.
        let armed = highest(Name::is_armed).filter(|armed| Some(*armed) > default);
        Ok(Boots {
            default: default.map(|name| name.number),
            armed: armed.map(|name| name.number),
            entries: names.iter().map(|name| name.number).collect(),
        })
    }

    fn arm(&self, partition: &mut dyn Partition, entry: &Entry) -> Result<()> {
        let name =
            Name { turn: next_turn(partition)?, number: entry.number, tries: Some(Tries::ONE) };
        self.disarm(partition)?;
        write(partition, &name, &text::on_trial(&name, entry))
    }

    fn disarm(&self, partition: &mut dyn Partition) -> Result<()> {
        let whole = entries(partition)?;
        remove_all(partition, |name| !name.is_confirmed() || !whole.contains(name))
    }

    fn confirm(&self, partition: &mut dyn Partition, entry: &Entry) -> Result<()> {
        let name = Name { turn: next_turn(partition)?, number: entry.number, tries: None };
        write(partition, &name, &text::confirmed(&name, entry))?;
        self.disarm(partition)?;
        remove_all(partition, |old| old.number == name.number && *old != name)
    }

    fn has(&self, partition: &dyn Partition, entry: &Entry) -> Result<bool> {
        let names = entries(partition)?;
        let Some(name) = names.iter().filter(|name| name.is_confirmed()).max() else {
            return Ok(false);
        };
        let wanted = text::confirmed(name, entry);
        let is_written = partition.read(&name.path())?.as_deref() == Some(wanted.as_bytes());
        Ok(name.number == entry.number && is_written)
    }

    fn remove(&self, partition: &mut dyn Partition, number: u64) -> Result<()> {
        let boots = self.read(partition)?;
        if [boots.default, boots.armed].contains(&Some(number)) {
            return Err(Error::InUse(number));
        }
        remove_all(partition, |name| name.number == number)
    }

    fn kernels(&self, partition: &dyn Partition) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for name in names(partition)? {
            let bytes = partition.read(&name.path())?.unwrap_or_default();
            found.extend(text::files(&bytes));
        }
        Ok(found)
    }
}

/// Our entries that are whole: systemd-boot passes over the others.
fn entries(partition: &dyn Partition) -> Result<Vec<Name>> {
    let mut entries = Vec::new();
    for name in names(partition)? {
        let text = partition.read(&name.path())?;
        entries.extend(text.filter(|text| text.starts_with(text::WHOLE)).map(|_| name));
    }
    Ok(entries)
}

/// The files of our entries.
fn names(partition: &dyn Partition) -> Result<Vec<Name>> {
    let files = partition.list(FOLDER)?;
    Ok(files.iter().filter_map(|file| Name::parse(file)).collect())
}

fn next_turn(partition: &dyn Partition) -> Result<u64> {
    let highest = names(partition)?.iter().map(|name| name.turn).max();
    Ok(highest.unwrap_or(0) + 1)
}

fn write(partition: &mut dyn Partition, name: &Name, text: &str) -> Result<()> {
    const COMMENT: &str = "#";
    let path = name.path();
    let (start, rest) = text.as_bytes().split_at(COMMENT.len());
    partition.create(&path, &mut COMMENT.as_bytes().chain(rest))?;
    partition.overwrite(&path, 0, start)
}

fn remove_all(partition: &mut dyn Partition, unwanted: impl Fn(&Name) -> bool) -> Result<()> {
    for name in names(partition)?.iter().filter(|name| unwanted(name)) {
        blank(partition, &name.path())?;
        partition.remove(&name.path())?;
    }
    Ok(())
}

/// Overwrites a file with lines of nothing, from its beginning: what makes an entry of it comes
/// first.
pub(crate) fn blank(partition: &mut dyn Partition, path: &str) -> Result<()> {
    let size = partition.size(path)?.unwrap_or(0);
    let blanks = [b'\n'; SECTOR];
    let mut offset = 0;
    while offset < size {
        let length = (size - offset).min(SECTOR as u64);
        // At most a sector of 512.
        partition.overwrite(path, offset, &blanks[..usize::try_from(length).unwrap_or(SECTOR)])?;
        offset += length;
    }
    Ok(())
}
