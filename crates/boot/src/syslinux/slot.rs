//! Slots: files with the labels of one generation each.

use std::collections::{BTreeMap, BTreeSet};

use super::default;
use crate::entry::FOLDER;
use crate::partition::SECTOR;
use crate::{Entry, Error, Partition, Result};

/// How many there are, and so how many generations can be kept.
pub(super) const COUNT: usize = 16;

/// The file of a slot.
pub(super) fn path(slot: usize) -> String {
    format!("{FOLDER}/{slot}.cfg")
}

/// The label of a confirmed generation.
pub(super) fn label(number: u64) -> String {
    format!("heirloom-{number}")
}

/// The label of the same generation on trial.
pub(super) fn label_on_trial(number: u64) -> String {
    format!("heirloom-{number}-trial")
}

/// The generation that a label puts on trial.
pub(super) fn number_on_trial(label: &str) -> Option<u64> {
    number(label.strip_suffix("-trial")?)
}

/// The generation of a confirmed label.
pub(super) fn number(label: &str) -> Option<u64> {
    label.strip_prefix("heirloom-")?.parse().ok()
}

/// The file's text.
pub(super) fn text(entry: &Entry) -> String {
    confirmed(entry) + &one(entry, &label_on_trial(entry.number), &entry.trial_cmdline)
}

/// The label of a confirmed generation, with all that it starts.
pub(super) fn confirmed(entry: &Entry) -> String {
    one(entry, &label(entry.number), &entry.cmdline)
}

fn one(entry: &Entry, label: &str, cmdline: &str) -> String {
    let (linux, initrd) = (entry.kernel_path(), entry.initramfs_path());
    format!("LABEL {label}\nKERNEL /{linux}\nINITRD /{initrd}\nAPPEND {cmdline}\n")
}

/// The slots that are in use, and the generations in them.
pub(super) fn all(partition: &dyn Partition) -> Result<BTreeMap<usize, u64>> {
    let mut slots = BTreeMap::new();
    for slot in 0..COUNT {
        let bytes = partition.read(&path(slot))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let labels = text.lines().filter_map(|line| line.strip_prefix("LABEL "));
        slots.extend(labels.filter_map(number).next().map(|number| (slot, number)));
    }
    Ok(slots)
}

/// Whether a generation is in a slot as it is to be, and in no other.
pub(super) fn has(partition: &dyn Partition, entry: &Entry) -> Result<bool> {
    let wanted = text(entry);
    let used = all(partition)?;
    let mut slots = used.iter().filter(|(_, number)| **number == entry.number);
    let (first, second) = (slots.next(), slots.next());
    let Some((slot, _)) = first.filter(|_| second.is_none()) else { return Ok(false) };
    Ok(partition.read(&path(*slot))?.as_deref() == Some(wanted.as_bytes()))
}

/// Puts a generation into a slot, if it is not in one as it is to be. Whenever the power fails,
/// the label that it had before, or has now, is there: the default may be its.
pub(super) fn put(partition: &mut dyn Partition, entry: &Entry) -> Result<()> {
    let wanted = text(entry);
    let used = all(partition)?;
    let mut old = Vec::new();
    let mut there = false;
    for (slot, _) in used.iter().filter(|(_, number)| **number == entry.number) {
        if !there && partition.read(&path(*slot))?.as_deref() == Some(wanted.as_bytes()) {
            there = true;
        } else {
            old.push(*slot);
        }
    }
    if !there {
        let free = match (0..COUNT).find(|slot| !used.contains_key(slot)) {
            Some(free) => free,
            // Nothing else is free than its own place, which may go unless it is booted.
            None if default::read(partition)? != Some(entry.number) => {
                old.pop().ok_or(Error::NoSlot)?
            }
            None => return Err(Error::NoSlot),
        };
        clear(partition, free)?;
        fill(partition, free, &wanted)?;
    }
    for slot in old {
        clear(partition, slot)?;
    }
    Ok(())
}

/// Empties the slots of a generation.
pub(super) fn remove(partition: &mut dyn Partition, number: u64) -> Result<()> {
    for (slot, _) in all(partition)?.into_iter().filter(|(_, it)| *it == number) {
        clear(partition, slot)?;
    }
    Ok(())
}

/// Makes the file of a slot. Until all of it is on the disk its labels have names that nobody
/// uses: another slot may still have the same labels, and syslinux takes the first of two.
fn fill(partition: &mut dyn Partition, slot: usize, text: &str) -> Result<()> {
    let path = path(slot);
    let mut unused = text.as_bytes().to_vec();
    let names = names(&unused, USED);
    for name in &names {
        unused[*name] = UNUSED;
    }
    partition.create(&path, &mut &unused[..])?;
    names.iter().try_for_each(|name| partition.overwrite(&path, *name as u64, &[USED]))
}

/// Removes the file of a slot, whatever is in it. Its labels lose their names first, and a label
/// is the last of its lines to go: lines without one would be the last label's before this file.
/// A later file that gets the same place on the disk finds nothing there but blanks.
fn clear(partition: &mut dyn Partition, slot: usize) -> Result<()> {
    let path = path(slot);
    let bytes = partition.read(&path)?.unwrap_or_default();
    for name in names(&bytes, USED) {
        partition.overwrite(&path, name as u64, &[UNUSED])?;
    }
    let sectors = (0..bytes.len()).step_by(SECTOR);
    for start in sectors.rev() {
        let length = SECTOR.min(bytes.len() - start);
        partition.overwrite(&path, start as u64, &[b'\n'; SECTOR][..length])?;
    }
    partition.remove(&path)
}

/// The first letter of a label's name, and another in its place when the name is not to be used.
const USED: u8 = b'h';
const UNUSED: u8 = b'x';

/// Where in a slot's bytes the names of its labels are that begin with `letter`.
fn names(bytes: &[u8], letter: u8) -> Vec<usize> {
    let line = [b"LABEL ", &[letter][..], b"eirloom-"].concat();
    let begins =
        |at: &usize| bytes[*at..].starts_with(&line) && (*at == 0 || bytes[*at - 1] == b'\n');
    (0..bytes.len()).filter(begins).map(|at| at + b"LABEL ".len()).collect()
}

/// The paths of kernels and initramfs.
pub(super) fn files(partition: &dyn Partition) -> Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for slot in all(partition)?.into_keys() {
        let bytes = partition.read(&path(slot))?.unwrap_or_default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            let file = line.strip_prefix("KERNEL /").or_else(|| line.strip_prefix("INITRD /"));
            files.extend(file.map(str::to_owned));
        }
    }
    Ok(files)
}
