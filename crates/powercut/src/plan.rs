//! Which power cuts are tried, and what one has left.

use std::fmt;
use std::ops::Range;

/// Which power cuts are tried.
///
/// Between two flushes the writes form a window: each of them may have reached the medium or not.
/// A window of few writes is tried in full; of a larger one samples are: the first writes up to
/// some point, the last from some point, all but one, one alone, and random subsets.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of the random subsets.
    pub seed: u64,
    /// Windows of up to so many writes are tried in full; at most 16.
    pub exhaustive: usize,
    /// So many random subsets of a larger window.
    pub random: usize,
    /// So many writes of a larger window are left out, left alone, first or last; those to
    /// [`Plan::watch`] before others.
    pub each: usize,
    /// The bytes of the disk where it matters most: writes there are torn as well.
    pub watch: Range<u64>,
    /// Windows that end before this entry of the log are not cut: what came before the test. See
    /// [`crate::Log::position`].
    pub from: u64,
}

impl Default for Plan {
    /// Watches nothing, and cuts from the first entry on.
    fn default() -> Self {
        Self { seed: 1, exhaustive: 4, random: 16, each: 48, watch: 0..0, from: 0 }
    }
}

/// How the writes of a window were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choosing {
    /// None: the flush was the last that happened.
    Flushed,
    /// One of all subsets.
    Subset,
    /// The first ones.
    First,
    /// The last ones.
    Last,
    /// All but one.
    Without,
    /// One alone.
    Alone,
    /// By chance.
    Random,
    /// With one of which only a part was done.
    Torn,
}

/// A write of a window, or a part of it, that has reached the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// Its entry in the log.
    pub entry: u64,
    /// How many of its bytes are there, from which on.
    pub part: Part,
}

/// What there is of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// All.
    Whole,
    /// So many bytes from its beginning.
    Head(u64),
    /// All but so many bytes from its beginning.
    Tail(u64),
}

/// A power cut: what it has left of the unflushed writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its number among those of a [`Plan`], from 0: the same at each run.
    pub number: u64,
    /// Everything before this entry of the log is on the medium.
    pub durable: u64,
    /// How many writes were made since, up to the next flush.
    pub window: usize,
    /// How those that are kept were chosen.
    pub choosing: Choosing,
    /// The writes since that are on the medium, in the order of the log.
    pub kept: Vec<Kept>,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choosing = format!("{:?}", self.choosing).to_lowercase();
        write!(f, "cut {} ({choosing}): all before entry {}", self.number, self.durable)?;
        if self.window == 0 {
            return Ok(());
        }
        write!(f, ", and {} of {} writes since", self.kept.len(), self.window)?;
        for (index, kept) in self.kept.iter().enumerate() {
            if index == 12 {
                return write!(f, " ...");
            }
            write!(f, "{} {}", if index == 0 { ":" } else { "," }, kept.entry)?;
            match kept.part {
                Part::Whole => {}
                Part::Head(bytes) => write!(f, "[..{bytes}]")?,
                Part::Tail(bytes) => write!(f, "[{bytes}..]")?,
            }
        }
        Ok(())
    }
}
