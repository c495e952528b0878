//! syslinux: a configuration that never changes, of files that come and go, and a mark in
//! `ldlinux.sys` that makes it start something else once.
//!
//! ```text
//! syslinux.cfg              includes all of the following, in this order; written with the image
//! heirloom/0.cfg ... 15.cfg slots: the two labels of a generation, confirmed and on trial
//! heirloom/default-a.cfg    the default's label
//! heirloom/default-b.cfg    the same; the one that is read later counts
//! ldlinux.sys               its last two sectors: boot once
//! ```
//!
//! What syslinux includes and does not find it passes over. A file is written under a name that is
//! free and synced before anything refers to it. A slot's labels get their names when the rest of
//! it is on the disk, one byte each, and lose them before it is blanked and removed: so a
//! generation can be put into another slot while it is the default. The default moves from `a` to `b` by making `b`,
//! and from `b` to `a` by making `a` and then blanking `b`, one sector at once. No slot names a
//! default, and defaults are blanked before they are removed: a file whose bytes did not reach the
//! disk when the power failed cannot be taken for one.

pub mod adv;
mod default;
mod slot;

use std::collections::BTreeSet;

use crate::{BootControl, Boots, Entry, Error, Partition, Result};

/// Where syslinux is told what to include.
pub const CONFIGURATION: &str = "syslinux.cfg";

/// syslinux's own second stage, which has the mark.
pub const LDLINUX: &str = "ldlinux.sys";

/// The speed of the serial console.
const BAUD: u32 = 115_200;

/// syslinux.
#[derive(Clone, Copy, Debug)]
pub struct Syslinux;

impl Syslinux {
    /// Paths and texts of a medium whose only generation is `entry`, which is confirmed.
    pub fn first(entry: &Entry) -> Vec<(String, String)> {
        vec![
            (CONFIGURATION.to_owned(), configuration()),
            (slot::path(0), slot::text(entry)),
            (default::PATHS[0].to_owned(), default::text(entry.number)),
        ]
    }

    /// The whole configuration in one file, for a medium that is never changed.
    pub fn alone(entry: &Entry) -> String {
        head() + &slot::confirmed(entry) + &default::text(entry.number)
    }
}

/// A second for a person to interrupt. What comes in on a noisy serial line stops syslinux's first
/// clock, and never the total one: a server comes up with nobody there.
fn head() -> String {
    format!("SERIAL 0 {BAUD}\nPROMPT 1\nTIMEOUT 10\nTOTALTIMEOUT 600\n")
}

fn configuration() -> String {
    let slots = (0..slot::COUNT).map(slot::path);
    let files = slots.chain(default::PATHS.map(str::to_owned));
    head() + &files.map(|path| format!("INCLUDE /{path}\n")).collect::<String>()
}

impl BootControl for Syslinux {
    fn read(&self, partition: &dyn Partition) -> Result<Boots> {
        let entries: BTreeSet<u64> = slot::all(partition)?.into_values().collect();
        let armed = match adv::read(partition)?.boot_once() {
            // A label that is not there starts nothing else than the default.
            Some(label) => slot::number_on_trial(&label).filter(|it| entries.contains(it)),
            None => None,
        };
        Ok(Boots { default: default::read(partition)?, armed, entries })
    }

    fn arm(&self, partition: &mut dyn Partition, entry: &Entry) -> Result<()> {
        slot::put(partition, entry)?;
        adv::write(partition, &adv::Adv::once(&slot::label_on_trial(entry.number)))
    }

    fn disarm(&self, partition: &mut dyn Partition) -> Result<()> {
        if adv::read(partition)?.boot_once().is_none() {
            return Ok(());
        }
        adv::write(partition, &adv::Adv::default())
    }

    fn confirm(&self, partition: &mut dyn Partition, entry: &Entry) -> Result<()> {
        slot::put(partition, entry)?;
        default::set(partition, entry.number)?;
        self.disarm(partition)
    }

    fn has(&self, partition: &dyn Partition, entry: &Entry) -> Result<bool> {
        let is_default = default::read(partition)? == Some(entry.number);
        Ok(is_default && slot::has(partition, entry)?)
    }

    fn remove(&self, partition: &mut dyn Partition, number: u64) -> Result<()> {
        let boots = self.read(partition)?;
        if [boots.default, boots.armed].contains(&Some(number)) {
            return Err(Error::InUse(number));
        }
        slot::remove(partition, number)
    }

    fn kernels(&self, partition: &dyn Partition) -> Result<BTreeSet<String>> {
        slot::files(partition)
    }
}
