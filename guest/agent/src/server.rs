//! The generations of a server and its bootloader, together.

mod change;
mod collect;
mod trial;

use std::collections::BTreeSet;
use std::path::Path;

use boot::{BootPartition, Entry, Partition};
use digest::Digest;
use generation::cmdline::Data;
use generation::{Config, Layout, Manifest};

use crate::catalog::{Catalog, Held};
use crate::trials::Trials;
use crate::{Error, Result};

pub use trial::{Confirmed, Settled};

/// What is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The generation.
    pub generation: Digest,
    /// Whether it is on trial.
    pub trial: bool,
    /// Where its blobs are.
    pub data: Data,
}

/// A server: its generations, its boot partition, its trials.
pub struct Server<P> {
    layout: Layout,
    boot: BootPartition<P>,
    trials: Trials,
    running: Running,
}

/// A server that nobody else changes for as long as this lives.
pub trait Opened {
    /// How its boot partition is reached.
    type Partition: Partition;

    /// The server.
    fn server(&mut self) -> &mut Server<Self::Partition>;
}

impl<P: Partition> Server<P> {
    /// A server whose generations are in `layout` and whose agent keeps its state in `state`.
    pub fn new(layout: Layout, boot: BootPartition<P>, state: &Path, running: Running) -> Self {
        Self { layout, boot, trials: Trials::in_directory(state), running }
    }

    /// Where the blobs are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The boot partition.
    pub fn boot(&self) -> &BootPartition<P> {
        &self.boot
    }

    /// The boot partition, to change what is on it.
    pub fn boot_mut(&mut self) -> &mut BootPartition<P> {
        &mut self.boot
    }

    /// What became of trials.
    pub fn trials(&self) -> &Trials {
        &self.trials
    }

    /// What is running.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The generations.
    pub fn catalog(&self) -> Result<Catalog> {
        Ok(Catalog::new(self.layout.index()?))
    }

    /// The config of what is running.
    pub fn config(&self) -> Result<Config> {
        Ok(self.layout.config(&self.layout.manifest(self.running.generation)?)?)
    }

    /// The numbers that must not go: what runs, what boots next, what it would fall back to, what
    /// the owner keeps.
    fn in_use(&self, catalog: &Catalog) -> Result<BTreeSet<u64>> {
        let boots = self.boot.read()?;
        let mut used: BTreeSet<u64> = boots.default.into_iter().chain(boots.armed).collect();
        used.extend(catalog.find(self.running.generation).map(|held| held.number));
        // The default by the index as well: the power may have failed between the two.
        used.extend(catalog.confirmed().iter().take(2).map(|held| held.number));
        used.extend(catalog.all().iter().filter(|held| held.pinned).map(|held| held.number));
        used.extend(self.trials.last().filter(|last| last.is_open()).map(|last| last.number));
        Ok(used)
    }

    fn held(&self, catalog: &Catalog, number: u64) -> Result<Held> {
        catalog.get(number).ok_or(Error::NoGeneration(number))
    }

    /// The documents of a generation of which every blob is there.
    fn whole(&self, held: &Held) -> Result<(Manifest, Config)> {
        let number = held.number;
        let not_whole = |missing: String| Error::NotWhole { number, missing };
        let manifest = self.layout.manifest(held.generation);
        let manifest = manifest.map_err(|error| not_whole(error.to_string()))?;
        if let Some(blob) = manifest.blobs().find(|blob| !self.layout.contains(blob)) {
            return Err(not_whole(format!("blob {} is not there", blob.digest)));
        }
        let config = self.layout.config(&manifest);
        let config = config.map_err(|error| not_whole(error.to_string()))?;
        Ok((manifest, config))
    }

    fn entry(&self, number: u64, manifest: &Manifest, config: &Config) -> Result<Entry> {
        Ok(Entry::new(number, manifest, config, &self.running.data)?)
    }
}
