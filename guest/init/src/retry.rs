//! How long to wait before the next try when no generation can be mounted.

use std::time::Duration;

/// Pauses in seconds; the last is used from then on.
const PAUSES: [u64; 7] = [1, 2, 4, 8, 16, 32, 60];

/// A trial gets so many tries. Then a panic leaves the choice to the bootloader, which takes the
/// last confirmed generation.
const TRIES_ON_TRIAL: usize = 5;

/// The pause after the failed try number `tries` (from 1), or none when it is time to give up.
/// A confirmed generation never does: there is none to fall back to, and the disk may come back.
pub(crate) fn pause(tries: usize, trial: bool) -> Option<Duration> {
    if trial && tries >= TRIES_ON_TRIAL {
        return None;
    }
    let at = tries.saturating_sub(1).min(PAUSES.len() - 1);
    Some(Duration::from_secs(PAUSES[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute_and_go_on_for_ever() {
        let pauses: Vec<u64> = (1..12).map(|n| pause(n, false).unwrap().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]);
        assert!(pause(usize::MAX, false).is_some());
    }

    #[test]
    fn on_trial_the_bootloader_decides_after_half_a_minute() {
        let pauses: Vec<_> = (1..).map_while(|tries| pause(tries, true)).collect();
        assert_eq!(pauses.len(), 4);
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(30));
    }
}
