//! The clock of a machine that has none, or one that says 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_settime};

use crate::log::Log;

/// Sets a clock that is behind `epoch`, when the image was made, to that: it is no earlier.
/// Certificates and signatures hold then, and files are not older than the image; the right time
/// comes with the network, and what state has kept of it before.
pub(crate) fn at_least(epoch: u64, log: &Log) {
    let Some(late) = behind(SystemTime::now(), epoch) else { return };
    let time = Timespec { tv_sec: i64::try_from(epoch).unwrap_or(i64::MAX), tv_nsec: 0 };
    match clock_settime(ClockId::Realtime, time) {
        Ok(()) => log.warning(format_args!(
            "the clock is {} days behind the image: it is set to the image's date",
            late.as_secs() / 86_400
        )),
        Err(errno) => log.warning(format_args!("the clock cannot be set: {errno}")),
    }
}

/// How far `now` is behind `epoch`; nothing when it is not.
fn behind(now: SystemTime, epoch: u64) -> Option<Duration> {
    let made = UNIX_EPOCH.checked_add(Duration::from_secs(epoch))?;
    made.duration_since(now).ok().filter(|late| !late.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_is_behind_the_image_is_set() {
        let epoch = 1_790_000_000;
        let made = UNIX_EPOCH + Duration::from_secs(epoch);
        assert_eq!(behind(UNIX_EPOCH, epoch), Some(Duration::from_secs(epoch)));
        assert_eq!(behind(made - Duration::from_secs(1), epoch), Some(Duration::from_secs(1)));
        assert_eq!(behind(made, epoch), None);
        assert_eq!(behind(made + Duration::from_secs(1), epoch), None);
        // A clock from before 1970 is one too.
        assert!(behind(UNIX_EPOCH - Duration::from_secs(1), epoch).is_some());
    }
}
