//! How long one source is asked for one file.

use std::time::Duration;

/// How often a source is asked for one file, as long as it gives nothing new.
const TRIES: u32 = 4;
/// What counts as something new: a server that gives a byte a time is not waited for.
const STEP: u64 = 1024 * 1024;
/// The longest that a server may ask us to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Tries and pauses.
pub(crate) struct Patience {
    pause: Duration,
    left: u32,
    best: u64,
}

impl Patience {
    pub(crate) fn new(pause: Duration, len: u64) -> Self {
        Self { pause, left: TRIES, best: len }
    }

    /// Silence takes long to notice: after it there is one more try at most.
    pub(crate) fn shorten(&mut self) {
        self.left = self.left.min(2);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(mut patience: Patience, lens: &[u64]) -> usize {
        lens.iter().take_while(|len| patience.again(**len, None)).count()
    }

    fn patience() -> Patience {
        Patience::new(Duration::ZERO, 0)
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
