//! The hardware watchdog: armed before anything can hang, kept quiet while init works or waits,
//! and left running for systemd to take over.
//!
//! Closing the device without writing `V` first leaves the counter running
//! (Documentation/watchdog/watchdog-api.rst): a server whose init never comes up is reset.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::thread;
use std::time::Duration;

use crate::ioctl;
use crate::log::Log;

/// Seconds from the last sign of life to the reset; a slow machine needs 30 until systemd is up.
const TIMEOUT: i32 = 60;

/// The longest time between two signs of life.
const BEAT: Duration = Duration::from_secs(1);

/// An armed watchdog, or none where the machine has none.
pub(crate) struct Watchdog(Option<File>);

impl Watchdog {
    /// Arms `/dev/watchdog`, if there is one.
    pub(crate) fn arm(log: &Log) -> Self {
        let device = match OpenOptions::new().write(true).open("/dev/watchdog") {
            Ok(device) => device,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    log.warning(format_args!("the watchdog cannot be armed: {error}"));
                }
                return Self(None);
            }
        };
        match ioctl::watchdog_timeout(&device, TIMEOUT) {
            Ok(seconds) => log.info(format_args!("watchdog armed: {seconds} s")),
            Err(error) => log.warning(format_args!(
                "the watchdog keeps its own timeout, {TIMEOUT} s is refused: {error}"
            )),
        }
        Self(Some(device))
    }

    /// A sign of life.
    pub(crate) fn beat(&mut self) {
        if let Some(device) = &mut self.0 {
            // A watchdog that cannot be written to resets the machine: that is its purpose.
            let _ = device.write_all(&[0]);
        }
    }

    /// Sleeps, alive.
    pub(crate) fn sleep(&mut self, mut time: Duration) {
        while !time.is_zero() {
            self.beat();
            let step = time.min(BEAT);
            thread::sleep(step);
            time -= step;
        }
        self.beat();
    }
}
