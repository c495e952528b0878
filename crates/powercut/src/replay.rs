//! The states that a power cut may leave, one after the other.

use std::path::Path;
use std::sync::Arc;

use crate::choose::{Choices, Pending};
use crate::error::{Error, Result};
use crate::extents::{Extents, Source};
use crate::log::{Action, Entries, Entry, Log};
use crate::plan::{Choosing, Cut, Kept, Part, Plan};
use crate::state::{Media, State};

/// A disk before, and what was written to it.
#[derive(Clone, Debug)]
pub struct Replay {
    media: Arc<Media>,
    plan: Plan,
}

impl Replay {
    /// `base` is the raw image that the disk was before the first entry of `log`; where the disk is
    /// larger than the image, `size` is its size in bytes.
    pub fn open(base: &Path, size: Option<u64>, log: &Path, plan: Plan) -> Result<Self> {
        let media = Arc::new(Media::open(base, size, Log::open(log)?)?);
        Ok(Self { media, plan })
    }

    /// Every state that the plan asks for, in the order of the log.
    pub fn states(&self) -> States {
        States {
            media: Arc::clone(&self.media),
            plan: self.plan.clone(),
            entries: Some(self.media.log.entries()),
            durable: Arc::default(),
            durable_before: 0,
            window: Vec::new(),
            window_end: 0,
            choices: None,
            number: 0,
        }
    }

    /// The disk with all that was written.
    pub fn end(&self) -> Result<State> {
        let (mut all, mut last) = (Extents::default(), 0);
        for entry in self.media.log.entries() {
            let entry = entry?;
            last = entry.number + 1;
            put(&mut all, &self.media, entry.number, entry.action, Part::Whole)?;
        }
        let cut = Cut {
            number: 0,
            durable: last,
            window: 0,
            choosing: Choosing::Flushed,
            kept: Vec::new(),
        };
        let media = Arc::clone(&self.media);
        Ok(State { media, durable: Arc::new(all), kept: Arc::default(), cut })
    }
}

/// The states of a [`Replay`].
pub struct States {
    media: Arc<Media>,
    plan: Plan,
    /// None at the end of the log.
    entries: Option<Entries>,
    durable: Arc<Extents>,
    /// All before this entry is in `durable`.
    durable_before: u64,
    /// What was done since, with the numbers of its entries.
    window: Vec<(u64, Action)>,
    /// The entry that comes after the window.
    window_end: u64,
    /// The cuts of the window that are left.
    choices: Option<Choices>,
    number: u64,
}

impl Iterator for States {
    type Item = Result<State>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(choices) = &mut self.choices
                && let Some((choosing, kept)) = choices.next()
            {
                return Some(self.state(choosing, kept));
            }
            self.choices = None;
            let entries = self.entries.take()?;
            if let Err(error) = self.next_window(entries) {
                return Some(Err(error));
            }
        }
    }
}

impl States {
    /// Flushes the window, and reads the next one.
    fn next_window(&mut self, mut entries: Entries) -> Result<()> {
        // No copy, unless a state of the window before is still kept.
        let durable = Arc::make_mut(&mut self.durable);
        for (entry, action) in self.window.drain(..) {
            put(durable, &self.media, entry, action, Part::Whole)?;
        }
        self.durable_before = self.window_end;
        let mut flushed = false;
        for entry in entries.by_ref() {
            let Entry { number, action } = entry?;
            self.window_end = number + 1;
            if action == Action::Flush {
                flushed = true;
                break;
            }
            self.window.push((number, action));
        }
        // The state before an empty window is that before the next one, if there is one.
        if self.window_end > self.plan.from && !(flushed && self.window.is_empty()) {
            let window = self.window.iter().map(|(entry, action)| self.pending(*entry, *action));
            self.choices = Some(Choices::new(window.collect(), self.durable_before, &self.plan));
        }
        self.entries = flushed.then_some(entries);
        Ok(())
    }

    fn pending(&self, entry: u64, action: Action) -> Pending {
        let (at, length, durable) = match action {
            Action::Write { at, length, durable, .. } => (at, length, durable),
            Action::Discard { at, length } => (at, length, false),
            Action::Flush => (0, 0, false),
        };
        let watch = &self.plan.watch;
        Pending { entry, length, durable, watched: at < watch.end && at + length > watch.start }
    }

    fn state(&mut self, choosing: Choosing, kept: Vec<Kept>) -> Result<State> {
        let mut extents = Extents::default();
        let mut writes = self.window.iter();
        for Kept { entry, part } in &kept {
            if let Some((entry, action)) = writes.find(|(found, _)| found == entry) {
                put(&mut extents, &self.media, *entry, *action, *part)?;
            }
        }
        let (number, durable, window) = (self.number, self.durable_before, self.window.len());
        self.number += 1;
        Ok(State {
            media: Arc::clone(&self.media),
            durable: Arc::clone(&self.durable),
            kept: Arc::new(extents),
            cut: Cut { number, durable, window, choosing, kept },
        })
    }
}

/// Does on `extents` what `part` of an action does to the disk.
fn put(extents: &mut Extents, media: &Media, entry: u64, action: Action, part: Part) -> Result<()> {
    let (at, length, source) = match action {
        Action::Write { at, length, data, .. } => (at, length, Source::Log(data)),
        // Zeros are what a disk gives most often for what was given up.
        Action::Discard { at, length } => (at, length, Source::Zeros),
        Action::Flush => return Ok(()),
    };
    if at + length > media.size {
        let (path, size) = (media.log.path().to_owned(), media.size);
        let why = format!("bytes {at} to {} of a disk of {size} bytes", at + length);
        return Err(Error::Entry { path, entry, why });
    }
    let range = match part {
        Part::Whole => at..at + length,
        Part::Head(bytes) => at..at + bytes.min(length),
        Part::Tail(bytes) => at + bytes.min(length)..at + length,
    };
    extents.insert(range.clone(), source.after(range.start - at));
    Ok(())
}
