//! Generations come, are kept and are chosen.

use std::collections::BTreeMap;

use boot::Partition;
use digest::Digest;
use generation::{Chain, Manifest, Progress};
use transfer::report::{Failure, Staged, TrialState};

use crate::server::Server;
use crate::trials::{Terms, Trial};
use crate::{Error, Result};

impl<P: Partition> Server<P> {
    /// Numbers a generation whose manifest and blobs are there.
    pub fn stage(
        &mut self,
        manifest: &Manifest,
        annotations: BTreeMap<String, String>,
    ) -> Result<Staged> {
        let generation = manifest.digest();
        let mut catalog = self.catalog()?;
        if let Some(held) = catalog.find(generation) {
            self.whole(&held)?;
            let number = held.number;
            return Ok(self.staged(number, generation, true));
        }
        let number = catalog.add(manifest, annotations);
        let held = self.held(&catalog, number)?;
        self.whole(&held)?;
        self.layout.set_index(catalog.index())?;
        Ok(self.staged(number, generation, false))
    }

    fn staged(&self, number: u64, generation: Digest, already: bool) -> Staged {
        let last = self.trials.all().into_iter().rev().find(|it| it.generation == generation);
        let failed = last.filter(|it| it.state == TrialState::Failed).map(|trial| Failure {
            at: trial.failed,
            reason: trial.reason.unwrap_or_else(|| "no reason is known".into()),
        });
        Staged { number, generation, already, removed: Vec::new(), failed }
    }

    /// Starts the generation `number` at the next boot, on trial. What was mended before of the way
    /// back, a line each.
    ///
    /// # Errors
    /// There is none, it is not whole, it is what runs and is confirmed; another is on trial;
    /// the default is not whole; too little room on the boot partition, before anything is written.
    pub fn switch(&mut self, number: u64, terms: Terms) -> Result<Vec<String>> {
        let catalog = self.catalog()?;
        let held = self.held(&catalog, number)?;
        self.not_on_trial()?;
        if held.generation == self.running.generation && self.boot.read()?.default == Some(number) {
            return Err(Error::Refused("this generation is running, and is the default"));
        }
        let (manifest, config) = self.whole(&held)?;
        let entry = self.entry(number, &manifest, &config)?;
        let mended = self.mend_default()?;
        self.make_boot_room(number, &manifest)?;
        Progress::remove(self.layout.root())?;
        let [kernel, initramfs] =
            [manifest.kernel()?, manifest.initramfs()?].map(|it| self.layout.blob(it.digest));
        self.boot.arm(&entry, &kernel, &initramfs)?;
        let Terms { token, failed_before } = terms;
        let trial = Trial::armed(number, held.generation);
        self.trials.put(Trial { token, failed_before, ..trial })?;
        Ok(mended)
    }

    /// Looks at the way back before it is needed: kernel, initramfs and entry of the default on the
    /// boot partition are as they have to be afterwards, or nothing is tried.
    fn mend_default(&mut self) -> Result<Vec<String>> {
        let Some(number) = self.boot.read()?.default else { return Ok(Vec::new()) };
        let held = self.held(&self.catalog()?, number)?;
        let no_way_back =
            |error: &Error| Error::NoWayBack { number, why: Chain(error).to_string() };
        let (manifest, config) = self.whole(&held).map_err(|error| no_way_back(&error))?;
        let entry = self.entry(number, &manifest, &config)?;
        let files =
            [manifest.kernel()?, manifest.initramfs()?].map(|it| self.layout.blob(it.digest));
        let [kernel, initramfs] = &files;
        let mended = self.boot.mend(&entry, kernel, initramfs);
        mended.map_err(|error| no_way_back(&error.into()))
    }

    /// The generation that `rollback` goes to: the one that was the default before, or when
    /// another one runs than the default, the default.
    pub fn rollback_target(&self) -> Result<u64> {
        let catalog = self.catalog()?;
        let mut confirmed = catalog.confirmed().into_iter();
        confirmed
            .find(|held| held.generation != self.running.generation)
            .map(|held| held.number)
            .ok_or(Error::Refused("there is no other generation that was ever confirmed"))
    }

    /// Keeps a generation whatever else comes, or does not any more.
    pub fn pin(&mut self, number: u64, pinned: bool) -> Result<()> {
        let mut catalog = self.catalog()?;
        if !catalog.pin(number, pinned) {
            return Err(Error::NoGeneration(number));
        }
        Ok(self.layout.set_index(catalog.index())?)
    }

    /// # Errors
    /// [`Error::OnTrial`] while what runs is on trial and not decided.
    pub(super) fn not_on_trial(&self) -> Result<()> {
        let open = self.trials.last().filter(Trial::is_open);
        match open.filter(|it| self.running.trial && it.generation == self.running.generation) {
            Some(trial) => Err(Error::OnTrial(trial.number)),
            None => Ok(()),
        }
    }
}
