//! Slots: files with the labels of one generation each.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::FOLDER;
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

/// Puts a generation into a slot, if it is not in one as it is to be.
pub(super) fn put(partition: &mut dyn Partition, entry: &Entry) -> Result<()> {
    let wanted = text(entry);
    for (slot, number) in all(partition)? {
        if number == entry.number {
            if partition.read(&path(slot))?.as_deref() == Some(wanted.as_bytes()) {
                return Ok(());
            }
            partition.remove(&path(slot))?;
        }
    }
    let used = all(partition)?;
    let free = (0..COUNT).find(|slot| !used.contains_key(slot)).ok_or(Error::NoSlot)?;
    // What was left there when the power failed is no label.
    partition.remove(&path(free))?;
    partition.create(&path(free), &mut wanted.as_bytes())
}

/// Empties the slots of a generation.
pub(super) fn remove(partition: &mut dyn Partition, number: u64) -> Result<()> {
    for (slot, _) in all(partition)?.into_iter().filter(|(_, it)| *it == number) {
        partition.remove(&path(slot))?;
    }
    Ok(())
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
