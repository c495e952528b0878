//! One file, from the first place that has the right bytes.

use std::io::{self, Read};

use crate::Result;
use crate::client::{Reply, Trouble, is_silence, silent};
use crate::item::Item;
use crate::part::Part;
use crate::patience::Patience;
use crate::rate::{LEAST, Paced, is_too_slow};
use crate::refusal::{Reason, Refusal};
use crate::source::{Place, places_of};
use crate::store::Store;

/// How the fetch of one file ended.
pub(crate) enum Outcome {
    /// Another command brought it.
    Present,
    /// Another command is fetching it.
    Busy,
    /// It came, after sources that were at fault.
    Fetched { faults: Vec<Refusal> },
    /// Nobody had it.
    Failed(Vec<Refusal>),
}

/// The downloads of one call.
pub(crate) struct Download<'a> {
    pub(crate) store: &'a Store,
    /// Counts the bytes of all files.
    pub(crate) bar: &'a progress::Bar,
}

impl Download<'_> {
    /// Brings one file, unless another command is at it and `wait` is not set.
    pub(crate) fn item(&self, item: &Item, wait: bool) -> Result<Outcome> {
        let partial = self.store.partial();
        let Some(mut part) = Part::open(&partial, item.digest, item.size, wait)? else {
            return Ok(Outcome::Busy);
        };
        self.bar.message(&item.name);
        if self.store.is_sound(item)? {
            part.discard()?;
            self.bar.advance(item.size);
            return Ok(Outcome::Present);
        }
        let mut shown = Shown { bar: self.bar, bytes: 0 };
        shown.reach(part.len());
        let (mut refusals, mut faults) = (Vec::new(), Vec::new());
        if part.len() == item.size {
            if part.digest() == item.digest {
                part.publish(&self.store.path(item.digest))?;
                return Ok(Outcome::Fetched { faults });
            }
            part.restart()?;
        }
        for place in places_of(item, &self.store.options) {
            let reason = match self.store.standing.set_aside(&place.source) {
                Some(why) => Reason::SetAside(why),
                None => match self.place(item, &place, &mut part, &mut shown)? {
                    Ok(()) => {
                        part.publish(&self.store.path(item.digest))?;
                        return Ok(Outcome::Fetched { faults });
                    }
                    Err(reason) => reason,
                },
            };
            let refusal = Refusal { source: place.source.clone(), reason };
            if self.store.judge(&item.name, &place, &refusal.reason) {
                faults.push(refusal.clone());
            }
            refusals.push(refusal);
        }
        if part.len() == 0 {
            part.discard()?;
        }
        Ok(Outcome::Failed(refusals))
    }

    /// Asks one place until the part is whole and right, or the place has shown that it will not
    /// be.
    fn place(
        &self,
        item: &Item,
        place: &Place,
        part: &mut Part,
        shown: &mut Shown,
    ) -> Result<std::result::Result<(), Reason>> {
        let mut patience = Patience::new(self.store.options.pause, place.kind, part.len());
        // Bytes that are there already may be another source's: when the sum is wrong, this source
        // is asked for all of them before it is blamed.
        let mut may_start_over = true;
        loop {
            let from = part.len();
            let (start, end) = match self.store.ask(place, from) {
                Ok(reply) => {
                    if let Some(reason) = wrong_length(&reply, item.size) {
                        return Ok(Err(reason));
                    }
                    if reply.start < from {
                        part.restart()?;
                    }
                    let start = reply.start;
                    let body = Paced::new(reply.body, self.store.options.patience);
                    (start, receive(body, part, item.size, shown)?)
                }
                Err(Trouble::NoSuchRange) if from > 0 => {
                    part.restart()?;
                    if !patience.again(0, None) {
                        return Ok(Err(Reason::Interrupted("it sends no ranges".to_owned())));
                    }
                    continue;
                }
                Err(trouble) => match self.after(trouble, part.len(), &mut patience) {
                    Some(reason) => return Ok(Err(reason)),
                    None => continue,
                },
            };
            let reason = match end {
                End::Whole if part.digest() == item.digest => return Ok(Ok(())),
                End::Whole => Reason::Altered { found: part.digest() },
                End::Over => Reason::Oversized { expected: item.size },
                // What has come stays, and the next source goes on from there.
                End::Slow => return Ok(Err(Reason::TooSlow { least: LEAST })),
                End::Short(why) => {
                    if why.as_ref().is_some_and(is_silence) {
                        patience.shorten();
                    }
                    if patience.again(part.len(), None) {
                        continue;
                    }
                    return Ok(Err(match why {
                        None => Reason::Truncated { found: part.len(), expected: item.size },
                        Some(error) => Reason::Interrupted(self.store.explain(&error)),
                    }));
                }
            };
            part.restart()?;
            if start == 0 || !may_start_over {
                return Ok(Err(reason));
            }
            may_start_over = false;
        }
    }

    /// What to make of a request without a body: a reason to give up, or none to ask again.
    fn after(&self, trouble: Trouble, len: u64, patience: &mut Patience) -> Option<Reason> {
        let (reason, pause) = match trouble {
            Trouble::Refused(reason) => return Some(reason),
            Trouble::NoSuchRange => return Some(Reason::Status(416)),
            Trouble::Unreachable(why) => {
                patience.shorten();
                (Reason::Unreachable(why), None)
            }
            Trouble::Silent => {
                patience.shorten();
                (Reason::Interrupted(silent(self.store.options.patience)), None)
            }
            Trouble::Interrupted(why) => (Reason::Interrupted(why), None),
            Trouble::Busy { status, after } => (Reason::Status(status), after),
        };
        (!patience.again(len, pause)).then_some(reason)
    }
}

fn wrong_length(reply: &Reply, size: u64) -> Option<Reason> {
    let total = reply.start.saturating_add(reply.length?);
    if total > size {
        Some(Reason::Oversized { expected: size })
    } else if total < size {
        Some(Reason::Truncated { found: total, expected: size })
    } else {
        None
    }
}

/// How the bytes of one answer ended.
enum End {
    /// As many as there should be.
    Whole,
    /// More.
    Over,
    /// Fewer: an end, or an error.
    Short(Option<io::Error>),
    /// Fewer, at less than the least rate.
    Slow,
}

/// Appends to `part` until it has `size` bytes; looks at one byte more and no further.
fn receive(mut body: impl Read, part: &mut Part, size: u64, shown: &mut Shown) -> Result<End> {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let room = size - part.len();
        let wanted = buffer.len().min(usize::try_from(room).unwrap_or(usize::MAX).max(1));
        let read = match body.read(&mut buffer[..wanted]) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // All bytes are there; what the connection does afterwards is no matter.
            Err(_) if room == 0 => return Ok(End::Whole),
            Err(error) if is_too_slow(&error) => return Ok(End::Slow),
            Err(error) => return Ok(End::Short(as_end(error))),
        };
        match (room, read) {
            (0, 0) => return Ok(End::Whole),
            (0, _) => return Ok(End::Over),
            (_, 0) => return Ok(End::Short(None)),
            (_, _) => part.append(&buffer[..read])?,
        }
        shown.reach(part.len());
    }
}

/// A connection closed before the announced length is an early end like any other.
fn as_end(error: io::Error) -> Option<io::Error> {
    (error.kind() != io::ErrorKind::UnexpectedEof).then_some(error)
}

/// What of one file the bar has counted.
struct Shown<'a> {
    bar: &'a progress::Bar,
    bytes: u64,
}

impl Shown<'_> {
    fn reach(&mut self, bytes: u64) {
        self.bar.advance(bytes.saturating_sub(self.bytes));
        self.bytes = self.bytes.max(bytes);
    }
}
