//! What every bootloader can be asked.

use std::collections::BTreeSet;

use crate::{Entry, Partition, Result};

/// What a bootloader will do, as its files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boots {
    /// The generation that is started from now on.
    pub default: Option<u64>,
    /// The generation that is started at the next boot instead, once.
    pub armed: Option<u64>,
    /// Every generation that a person can choose at the console.
    pub entries: BTreeSet<u64>,
}

/// A bootloader's files. Kernels and initramfs are there before an entry names them:
/// [`BootPartition`](crate::BootPartition) sees to that.
///
/// Whatever an earlier call left unfinished when the power failed, the next one takes up or clears
/// away.
pub trait BootControl {
    /// What it will do.
    fn read(&self, partition: &dyn Partition) -> Result<Boots>;

    /// Starts `entry` at the next boot, once, instead of the default. What was armed is not any
    /// more.
    fn arm(&self, partition: &mut dyn Partition, entry: &Entry) -> Result<()>;

    /// Starts the default at the next boot.
    fn disarm(&self, partition: &mut dyn Partition) -> Result<()>;

    /// Starts `entry` from now on. Nothing is armed afterwards.
    fn confirm(&self, partition: &mut dyn Partition, entry: &Entry) -> Result<()>;

    /// Whether the default is `entry`, and is written as [`BootControl::confirm`] writes it.
    fn has(&self, partition: &dyn Partition, entry: &Entry) -> Result<bool>;

    /// Forgets the generation `number`, which is neither the default nor armed.
    ///
    /// # Errors
    /// [`Error::InUse`](crate::Error::InUse) when it is.
    fn remove(&self, partition: &mut dyn Partition, number: u64) -> Result<()>;

    /// The paths of all kernels and initramfs that its entries name.
    fn kernels(&self, partition: &dyn Partition) -> Result<BTreeSet<String>>;
}
