//! Services that end and are started again, over and over. systemd does not call them failed as long
//! as they keep below its limit of starts in a time (`StartLimitBurst=`, systemd.unit(5)): with
//! `RestartSec=5` none ever reaches it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::checks::systemctl;

/// One that was restarted is well when it has run so long since.
const STEADY: Duration = Duration::from_secs(15);

/// Restarted whenever somebody has logged out: agetty's units.
const LOGINS: [&str; 3] = ["getty@", "serial-getty@", "console-getty."];

/// A line for each service that was restarted and has not run for long since; it begins with its
/// name.
pub(crate) fn restarting() -> String {
    let properties = "--property=Id,ActiveState,NRestarts,ActiveEnterTimestampMonotonic";
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32);
    among(&systemctl(&["show", properties, "*.service"]), now)
}

/// The same of what systemctl(1) `show` says, `now` by the monotonic clock.
fn among(shown: &str, now: Duration) -> String {
    let restarting = shown.split("\n\n").filter_map(|unit| {
        let value = |key: &str| {
            unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or("")
        };
        let (name, times) = (value("Id"), value("NRestarts").parse::<u64>().unwrap_or(0));
        let is_login = LOGINS.iter().any(|login| name.starts_with(login));
        let since = value("ActiveEnterTimestampMonotonic").parse().map(Duration::from_micros);
        let restarts = match value("ActiveState") {
            "active" => since.is_ok_and(|since| now.saturating_sub(since) < STEADY),
            "activating" => true,
            // It was stopped, or is among those that have failed.
            _ => false,
        };
        let counts = times > 0 && restarts && !is_login;
        counts.then(|| format!("{name} restarted {times} times\n"))
    });
    restarting.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, state: &str, restarts: &str, since: u64) -> String {
        format!(
            "ActiveState={state}\nActiveEnterTimestampMonotonic={since}\nId={name}\n\
             NRestarts={restarts}\n\n"
        )
    }

    #[test]
    fn a_service_that_is_restarted_over_and_over_is_named() {
        const SECOND: u64 = 1_000_000;
        let units = [
            shown("steady.service", "active", "0", 99 * SECOND),
            shown("mended.service", "active", "3", 80 * SECOND),
            shown("loop.service", "active", "7", 99 * SECOND),
            shown("waits.service", "activating", "2", 10 * SECOND),
            shown("starts.service", "activating", "0", 0),
            shown("failed.service", "failed", "5", 10 * SECOND),
            shown("stopped.service", "inactive", "1", 10 * SECOND),
            shown("getty@tty1.service", "active", "4", 99 * SECOND),
            shown("odd.service", "active", "", 99 * SECOND),
        ];
        let said = among(units.concat().trim_end(), Duration::from_secs(100));
        assert_eq!(said, "loop.service restarted 7 times\nwaits.service restarted 2 times\n");
        assert_eq!(among("no answer: nothing", Duration::ZERO), "");
    }
}
