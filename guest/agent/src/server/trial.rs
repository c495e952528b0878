//! A trial, from its first boot to its end.

use boot::Partition;
use digest::Digest;
use generation::Progress;
use transfer::report::TrialState;

use crate::server::Server;
use crate::trials::Trial;
use crate::{Error, Result, reason};

/// As often a trial is started when each time somebody reboots the server before it is decided.
const BOOTS: u32 = 3;

/// What [`Server::confirm`] did: the bootloader starts this generation from now on.
#[derive(Debug)]
#[must_use]
pub struct Confirmed {
    /// The generation's number.
    pub number: u64,
    /// What keeps that from being noted in the index and with the trials. It can be confirmed once
    /// more, and [`Server::settle`] notes it at the next boot.
    pub unnoted: Option<Error>,
}

/// What [`Server::settle`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing that was not known.
    Nothing,
    /// A trial had failed without having been able to say so.
    Failed(Trial),
    /// The trial is still to come.
    Armed(u64),
}

impl<P: Partition> Server<P> {
    /// Notes that the trial of what runs has begun, in the boot `boot`, which may be noted already.
    ///
    /// # Errors
    /// [`Error::TooManyBoots`] when it began more often than it may: then nobody has taken the mark
    /// away with which it is started. The trial has failed, and the mark is taken away.
    pub fn begin_trial(&mut self, boot: &str) -> Result<Trial> {
        let generation = self.running.generation;
        let catalog = self.catalog()?;
        let held = catalog.find(generation);
        let number = held.ok_or(Error::Refused("the index has no number for what is running"))?;
        let last = self.trials.last().filter(|it| it.is_open() && it.generation == generation);
        // Without a record the power failed between arming and noting it.
        let last = last.unwrap_or_else(|| Trial::armed(number.number, generation));
        let boots = last.boots + u32::from(last.boot.as_deref() != Some(boot));
        let boot = Some(boot.to_owned());
        if boots > BOOTS {
            let mut failed = Trial { boots, boot, ..last };
            failed.fail(Error::TooManyBoots(boots).to_string(), Vec::new());
            self.trials.put(failed)?;
            self.boot.disarm()?;
            return Err(Error::TooManyBoots(boots));
        }
        let trial = Trial { state: TrialState::Running, boots, boot, ..last };
        self.trials.put(trial.clone())?;
        Ok(trial)
    }

    /// Makes what runs the default. The bootloader first: from then on a reset does no harm, and
    /// nothing that fails makes it undone.
    ///
    /// # Errors
    /// It is not the default.
    pub fn confirm(&mut self) -> Result<Confirmed> {
        let mut catalog = self.catalog()?;
        let held = catalog.find(self.running.generation);
        let held = held.ok_or(Error::Refused("the index has no number for what is running"))?;
        let (manifest, config) = self.whole(&held)?;
        let entry = self.entry(held.number, &manifest, &config)?;
        let [kernel, initramfs] =
            [manifest.kernel()?, manifest.initramfs()?].map(|it| self.layout.blob(it.digest));
        let number = held.number;
        let in_boot = match self.boot.confirm(&entry, &kernel, &initramfs) {
            Err(error) if !self.boots_by_default(number) => return Err(error.into()),
            in_boot => in_boot,
        };
        let mut note = || {
            if catalog.confirm(number) {
                self.layout.set_index(catalog.index())?;
            }
            self.close(held.generation)
        };
        let noted = note();
        Ok(Confirmed { number, unnoted: in_boot.map_err(Error::from).and(noted).err() })
    }

    fn boots_by_default(&self, number: u64) -> bool {
        self.boot.read().is_ok_and(|boots| boots.default == Some(number))
    }

    /// Whoever began the trial with this token has logged in to what runs; the trial's number.
    ///
    /// # Errors
    /// No trial of what runs waits for it.
    pub fn acknowledge(&mut self, token: &str) -> Result<u64> {
        let waits = |it: &Trial| {
            it.state == TrialState::Running
                && it.generation == self.running.generation
                && it.token.as_deref() == Some(token)
        };
        let trial = self.trials.last().filter(waits);
        let trial = trial.ok_or(Error::Refused("no trial waits for this token"))?;
        self.trials.change_last(|trial| trial.token = None)?;
        Ok(trial.number)
    }

    /// Notes why the trial of what runs has failed, and that the next boot is the default's.
    pub fn fail(&mut self, reason: &str, lines: Vec<String>) -> Result<()> {
        self.trials.change_last(|trial| trial.fail(reason, lines))?;
        Ok(self.boot.disarm()?)
    }

    /// The server is being shut down by somebody while the trial is not decided: it gets another
    /// boot. Whether it does; it has had enough of them otherwise.
    pub fn rearm(&mut self) -> Result<bool> {
        let open = |it: &Trial| it.is_open() && it.generation == self.running.generation;
        let Some(trial) = self.trials.last().filter(open) else { return Ok(false) };
        if trial.boots >= BOOTS {
            let reason = format!("it was rebooted {} times before it was healthy", trial.boots);
            self.fail(&reason, Vec::new())?;
            return Ok(false);
        }
        let catalog = self.catalog()?;
        let held = self.held(&catalog, trial.number)?;
        let (manifest, config) = self.whole(&held)?;
        let entry = self.entry(held.number, &manifest, &config)?;
        let [kernel, initramfs] =
            [manifest.kernel()?, manifest.initramfs()?].map(|it| self.layout.blob(it.digest));
        self.boot.arm(&entry, &kernel, &initramfs)?;
        Ok(true)
    }

    /// What runs is not on trial: brings the index up to the bootloader's word, and decides a
    /// trial that ended without a word.
    pub fn settle(&mut self) -> Result<Settled> {
        let boots = self.boot.read()?;
        let mut catalog = self.catalog()?;
        if let Some(default) = boots.default.and_then(|number| catalog.get(number)) {
            // Confirming was cut short after the part of the bootloader in charge.
            if catalog.confirm(default.number) {
                self.layout.set_index(catalog.index())?;
            }
            if let Ok((manifest, config)) = self.whole(&default) {
                let entry = self.entry(default.number, &manifest, &config)?;
                self.boot.follow(&entry)?;
            }
        }
        let Some(trial) = self.trials.last().filter(Trial::is_open) else {
            // What nobody knows of cannot be decided.
            self.boot.disarm()?;
            return Ok(Settled::Nothing);
        };
        if boots.armed == Some(trial.number) {
            return Ok(Settled::Armed(trial.number));
        }
        if boots.default == Some(trial.number) {
            self.close(trial.generation)?;
            return Ok(Settled::Nothing);
        }
        // What cannot be read says nothing.
        let progress = Progress::read(self.layout.root()).unwrap_or_default();
        let reason = reason::reason(&trial, progress.as_ref());
        let mut failed = trial;
        failed.fail(reason, Vec::new());
        self.trials.put(failed.clone())?;
        self.boot.disarm()?;
        Ok(Settled::Failed(failed))
    }

    /// Reads every blob of a generation that failed; the first that is damaged is noted with the
    /// reason, and removed, or marked where another generation needs it: the next deploy sends it
    /// again.
    pub fn examine(&mut self, trial: &Trial) -> Result<Option<Digest>> {
        let manifest = match self.layout.manifest(trial.generation) {
            Ok(manifest) => manifest,
            Err(generation::Error::WrongBlob { expected, .. }) => {
                return self.damaged(expected).map(Some);
            }
            Err(error) => return Err(error.into()),
        };
        for blob in manifest.blobs() {
            let path = self.layout.blob(blob.digest);
            let file = std::fs::File::open(&path).map_err(Error::io("open", &path))?;
            // A block that cannot be read is as bad as one that has changed.
            if !Digest::of_reader(file).is_ok_and(|(found, _)| found == blob.digest) {
                return self.damaged(blob.digest).map(Some);
            }
        }
        Ok(None)
    }

    fn damaged(&mut self, blob: Digest) -> Result<Digest> {
        self.trials.change_last(|trial| {
            let reason = trial.reason.clone().unwrap_or_default();
            trial.reason = Some(reason::damaged(blob, &reason));
        })?;
        let failed = self.trials.last().map(|trial| trial.generation);
        let others = self.catalog()?.all();
        let shared = others.iter().filter(|held| Some(held.generation) != failed).any(|held| {
            let manifest = self.layout.manifest(held.generation);
            manifest.is_ok_and(|it| it.blobs().any(|other| other.digest == blob))
        });
        match shared {
            true => self.layout.mark_damaged(blob)?,
            false => self.layout.remove_blob(blob)?,
        }
        Ok(blob)
    }

    fn close(&mut self, generation: Digest) -> Result<()> {
        match self.trials.last() {
            Some(last) if last.is_open() && last.generation == generation => {
                self.trials.change_last(|trial| trial.state = TrialState::Confirmed)
            }
            _ => Ok(()),
        }
    }
}
