//! The hardware watchdog: armed as soon as its driver is there, kept quiet while init works or
//! waits, and left running for systemd to take over.
//!
//! Closing the device without writing `V` first leaves the counter running
//! (Documentation/watchdog/watchdog-api.rst): a server whose init never comes up is reset.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::ioctl;
use crate::log::Log;

/// Seconds from the last sign of life to the reset; a slow machine needs 30 until systemd is up.
const TIMEOUT: i32 = 60;

/// The longest time between two signs of life.
const BEAT: Duration = Duration::from_secs(1);

/// The watchdog of the machine, if it has one.
pub(crate) struct Watchdog {
    /// Open once it is armed.
    device: Option<File>,
    /// Whether it was said that it cannot be armed.
    refused: bool,
    /// The last sign of life.
    beaten: Option<Instant>,
}

impl Watchdog {
    /// A watchdog that is not armed yet.
    pub(crate) fn asleep() -> Self {
        Self { device: None, refused: false, beaten: None }
    }

    /// Whether a hang ends in a reset.
    pub(crate) fn is_armed(&self) -> bool {
        self.device.is_some()
    }

    /// Arms `/dev/watchdog`, unless it is armed already or is not there.
    pub(crate) fn arm(&mut self, log: &Log) {
        if self.is_armed() {
            return;
        }
        let device = match OpenOptions::new().write(true).open("/dev/watchdog") {
            Ok(device) => device,
            Err(error) if error.kind() == ErrorKind::NotFound || self.refused => return,
            Err(error) => {
                self.refused = true;
                log.warning(format_args!("the watchdog cannot be armed: {error}"));
                return;
            }
        };
        match ioctl::watchdog_timeout(&device, TIMEOUT) {
            Ok(seconds) => log.info(format_args!("watchdog armed: {seconds} s")),
            Err(error) => log.warning(format_args!(
                "the watchdog keeps its own timeout, {TIMEOUT} s is refused: {error}"
            )),
        }
        self.device = Some(device);
    }

    /// A sign of life.
    pub(crate) fn beat(&mut self) {
        self.beaten = Some(Instant::now());
        if let Some(device) = &mut self.device {
            // A watchdog that cannot be written to resets the machine: that is its purpose.
            let _ = device.write_all(&[0]);
        }
    }

    /// A sign of life, where it is time for one: for work in many small steps.
    pub(crate) fn beat_in_time(&mut self) {
        if self.beaten.is_none_or(|beaten| beaten.elapsed() >= BEAT) {
            self.beat();
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
