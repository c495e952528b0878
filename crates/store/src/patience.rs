//! How long one source is asked for one file.

use std::time::Duration;

use crate::source::Kind;

/// How often a source is asked for one file, as long as it gives nothing new.
const TRIES: u32 = 4;
/// The same for the last resort, which is slow and soon overrun.
const LAST_TRIES: u32 = 6;
/// What counts as something new: a server that gives a byte a time is not waited for.
const STEP: u64 = 1024 * 1024;
/// The longest that a server may ask us to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Tries and pauses.
pub(crate) struct Patience {
    pause: Duration,
    next_pause: Duration,
    tries: u32,
    left: u32,
    best: u64,
}

impl Patience {
    /// For a file of which there are `len` bytes.
    pub(crate) fn new(pause: Duration, kind: Kind, len: u64) -> Self {
        let tries = if kind == Kind::Dated { LAST_TRIES } else { TRIES };
        Self { pause, next_pause: pause, tries, left: tries, best: len }
    }

    /// Silence takes long to notice, and a server that is not there will hardly come: after these
    /// there is one more try at most.
    pub(crate) fn shorten(&mut self) {
        self.left = self.left.min(2);
    }

    /// Whether to ask once more, now that there are `len` bytes; waits before it says yes, each
    /// time twice as long, or as long as the server `asked`.
    pub(crate) fn again(&mut self, len: u64, asked: Option<Duration>) -> bool {
        if len >= self.best.saturating_add(STEP) {
            self.best = len;
            self.left = self.tries;
            self.next_pause = self.pause;
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return false;
        }
        let pause = asked.map_or(self.next_pause, |asked| asked.max(self.next_pause));
        std::thread::sleep(pause.min(LONGEST_PAUSE));
        self.next_pause *= 2;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(mut patience: Patience, lens: &[u64]) -> usize {
        lens.iter().take_while(|len| patience.again(**len, None)).count()
    }

    fn patience() -> Patience {
        Patience::new(Duration::ZERO, Kind::Mirror, 0)
    }

    #[test]
    fn a_source_that_gives_nothing_new_is_asked_four_times() {
        assert_eq!(tries(patience(), &[0; 10]), 3);
        assert_eq!(tries(patience(), &[1, 2, 3, 4, 5]), 3, "a byte is nothing");
        assert_eq!(tries(patience(), &[STEP, 0, 0, STEP, 0, 0]), 3, "nor are the same bytes again");
    }

    #[test]
    fn a_source_that_comes_further_each_time_is_asked_on() {
        let lens: Vec<u64> = (1..=100).map(|i| i * STEP).collect();
        assert_eq!(tries(patience(), &lens), 100);
    }

    #[test]
    fn after_silence_there_is_one_more_try() {
        let mut patience = patience();
        patience.shorten();
        assert!(patience.again(0, None));
        patience.shorten();
        assert!(!patience.again(0, None));
    }
}
