//! Fetching: whatever is missing or damaged, from the first source that has the right bytes.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::time::Duration;

use digest::Digest;

use crate::client::{Reply, Trouble, silent};
use crate::item::{Item, check_path};
use crate::part::Part;
use crate::refusal::{Reason, Refusal};
use crate::source::{Kind, Location, Place, places_of};
use crate::store::Store;
use crate::{Error, Failure, Result, workers};

/// How often a source is asked for one file, as long as it gives nothing new.
const TRIES: u32 = 4;
/// What counts as something new: a server that gives a byte a time is not waited for.
const STEP: u64 = 1024 * 1024;
/// The longest that a server may ask us to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a fetch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Files that came from a source.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were present, or came through another command meanwhile.
    pub reused: usize,
    /// Sources that were at fault, with the file's name. Each was also warned of.
    pub refused: Vec<(String, Refusal)>,
}

impl Store {
    /// Makes all of `items` present and verified. Those that are present are hashed, and fetched
    /// anew if damaged.
    ///
    /// # Errors
    /// [`Error::Offline`] and [`Error::Unavailable`] when no source has a file (all others are
    /// fetched nevertheless, so that the next run finds them), [`Error::ArchivePath`] for a hostile
    /// path, [`Error::Io`] when the disk is full or the folder cannot be written.
    pub fn fetch(&self, items: &[Item]) -> Result<Fetched> {
        let mut seen = HashSet::new();
        let items: Vec<&Item> = items.iter().filter(|item| seen.insert(item.digest)).collect();
        items.iter().try_for_each(|item| check_path(&item.path))?;

        let sound = workers::map(workers::processors(), &items, |item| self.is_sound(item))?;
        let mut missing: Vec<&Item> =
            items.iter().zip(sound).filter(|(_, sound)| !sound).map(|(item, _)| *item).collect();
        let mut fetched = Fetched { reused: items.len() - missing.len(), ..Fetched::default() };
        if missing.is_empty() {
            return Ok(fetched);
        }
        // The largest first, so that none of them is left alone at the end.
        missing.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));

        let bar = progress::bytes("Fetching", missing.iter().map(|item| item.size).sum());
        let download = Download { store: self, bar: &bar };
        let mut failures = Vec::new();
        // What another command is fetching is left for last, so that two commands divide the work.
        for wait in [false, true] {
            let outcomes =
                workers::map(self.options.connections, &missing, |item| download.item(item, wait))?;
            let mut busy = Vec::new();
            for (item, outcome) in missing.iter().zip(outcomes) {
                match outcome {
                    Outcome::Present => fetched.reused += 1,
                    Outcome::Busy => busy.push(*item),
                    Outcome::Fetched(refusals) => {
                        fetched.files += 1;
                        fetched.bytes += item.size;
                        let faults = refusals.into_iter().filter(|r| r.reason.is_fault());
                        fetched.refused.extend(faults.map(|refusal| (item.name.clone(), refusal)));
                    }
                    Outcome::Failed(refusals) => {
                        failures.push(Failure { name: item.name.clone(), refusals });
                    }
                }
            }
            missing = busy;
        }
        drop(bar);
        if !failures.is_empty() {
            failures.sort_by(|a, b| a.name.cmp(&b.name));
            return Err(if self.options.offline {
                Error::Offline { missing: failures }
            } else {
                Error::Unavailable { failures }
            });
        }
        if fetched.files > 0 {
            progress::done(
                "Fetched",
                format!("{} files, {}", fetched.files, megabytes(fetched.bytes)),
            );
        }
        Ok(fetched)
    }

    /// Whether the file is present with the right bytes; one with others is removed.
    fn is_sound(&self, item: &Item) -> Result<bool> {
        let path = self.path(item.digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let (found, size) = Digest::of_reader(file).map_err(Error::io("read", &path))?;
        if (found, size) == (item.digest, item.size) {
            return Ok(true);
        }
        if found == item.digest {
            // The lock is wrong about the size. No source can have such a file.
            return Ok(false);
        }
        progress::warning(format!(
            "`{}` in the store was damaged; fetching {} anew",
            path.display(),
            item.name
        ));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path)(error))
            }
            _ => Ok(false),
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// How the fetch of one file ended.
enum Outcome {
    /// Another command brought it.
    Present,
    /// Another command is fetching it.
    Busy,
    /// It came, after these refusals.
    Fetched(Vec<Refusal>),
    /// Nobody had it.
    Failed(Vec<Refusal>),
}

/// The downloads of one call.
struct Download<'a> {
    store: &'a Store,
    bar: &'a progress::Bar,
}

impl Download<'_> {
    fn item(&self, item: &Item, wait: bool) -> Result<Outcome> {
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
        let mut refusals = Vec::new();
        if part.len() == item.size {
            if part.digest() == item.digest {
                part.publish(&self.store.path(item.digest))?;
                return Ok(Outcome::Fetched(refusals));
            }
            part.restart()?;
        }
        for place in places_of(item, &self.store.options) {
            let reason = match self.store.standing.set_aside(&place.source) {
                Some(why) => Reason::SetAside(why),
                None => match self.place(item, &place, &mut part, &mut shown)? {
                    Ok(()) => {
                        part.publish(&self.store.path(item.digest))?;
                        return Ok(Outcome::Fetched(refusals));
                    }
                    Err(reason) => reason,
                },
            };
            self.store.judge(&item.name, &place, &reason);
            refusals.push(Refusal { source: place.source, reason });
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
        let mut patience = Patience::new(self.store.options.pause, part.len());
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
                    (start, receive(reply.body, part, item.size, shown)?)
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
                End::Short(why) => {
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
            Trouble::Unreachable(why) => return Some(Reason::Unreachable(why)),
            Trouble::Interrupted(why) => (Reason::Interrupted(why), None),
            Trouble::Busy { status, after } => (Reason::Status(status), after),
        };
        (!patience.again(len, pause)).then_some(reason)
    }
}

impl Store {
    /// Opens what lies at a place, from byte `offset` on.
    pub(crate) fn ask(&self, place: &Place, offset: u64) -> std::result::Result<Reply, Trouble> {
        match &place.location {
            Location::Url(url) => self.client().get(url, offset),
            Location::File(path) => {
                // A folder of another machine may hold a pipe or a device under this name.
                let unreadable = |error: io::Error| match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                        Trouble::Refused(Reason::Absent)
                    }
                    _ => Trouble::Refused(Reason::Interrupted(error.to_string())),
                };
                let metadata = fs::metadata(path).map_err(unreadable)?;
                if !metadata.is_file() {
                    return Err(Trouble::Refused(Reason::Absent));
                }
                let file = File::open(path).map_err(unreadable)?;
                Ok(Reply { start: 0, length: Some(metadata.len()), body: Box::new(file) })
            }
        }
    }

    /// Says and remembers what a source did wrong.
    pub(crate) fn judge(&self, name: &str, place: &Place, reason: &Reason) {
        let source = &place.source;
        if !reason.is_fault() || place.kind == Kind::Moving && is_about_bytes(reason) {
            progress::detail("Refused", format!("{name}: {source} {reason}"));
            return;
        }
        // A vault is asked for every file, whatever became of some.
        let out = place.kind != Kind::Vault && self.standing.note(source, reason);
        if let Reason::Unreachable(_) = reason {
            if out {
                progress::warning(format!("{source} {reason}; going on without it"));
            }
        } else {
            let rest = if out { "; it is not asked any more" } else { "" };
            progress::warning(format!("{name}: {source} {reason}; asking the next source{rest}"));
        }
    }

    /// What an error while reading means.
    pub(crate) fn explain(&self, error: &io::Error) -> String {
        if error.kind() == io::ErrorKind::TimedOut {
            silent(self.options.patience)
        } else {
            error.to_string()
        }
    }
}

/// Where a path's content changes with every update, these say only that it has changed.
fn is_about_bytes(reason: &Reason) -> bool {
    matches!(reason, Reason::Altered { .. } | Reason::Oversized { .. } | Reason::Truncated { .. })
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

/// How long one source is asked for one file.
pub(crate) struct Patience {
    pause: Duration,
    left: u32,
    best: u64,
}

impl Patience {
    pub(crate) fn new(pause: Duration, len: u64) -> Self {
        Self { pause, left: TRIES, best: len }
    }

    /// Whether to ask once more, now that there are `len` bytes; waits before it says yes.
    pub(crate) fn again(&mut self, len: u64, asked: Option<Duration>) -> bool {
        if len >= self.best.saturating_add(STEP) {
            self.best = len;
            self.left = TRIES;
        }
        self.left -= 1;
        if self.left == 0 {
            return false;
        }
        let doubled = self.pause * 2_u32.pow(TRIES - 1 - self.left);
        std::thread::sleep(asked.map_or(doubled, |asked| asked.max(doubled)).min(LONGEST_PAUSE));
        true
    }
}
