//! A machine that is switched on.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::console::Console;
use crate::error::{Error, Result};
use crate::qmp::Control;

/// Between two looks at something that is waited for.
const INTERVAL: Duration = Duration::from_millis(200);

/// A machine that is switched on. Dropped, its power is cut.
pub struct Running {
    qemu: sandbox::Running,
    console: Console,
    forwards: Vec<(u16, u16)>,
    control: PathBuf,
    /// The disk is there as long as somebody writes to it.
    _home: Arc<TempDir>,
}

impl Running {
    pub(crate) fn new(
        mut qemu: sandbox::Running,
        forwards: Vec<(u16, u16)>,
        control: PathBuf,
        home: Arc<TempDir>,
    ) -> Result<Self> {
        let Some((output, input)) = qemu.stdout.take().zip(qemu.stdin.take()) else {
            return Err(Error::Control { why: "the console is not connected".into() });
        };
        let console = Console::new(output, input);
        Ok(Self { qemu, console, forwards, control, _home: home })
    }

    /// Its serial console.
    pub fn console(&mut self) -> &mut Console {
        &mut self.console
    }

    /// The port of this host's loopback at which the machine's port `guest` is reached.
    pub fn port(&self, guest: u16) -> Result<u16> {
        let found = self.forwards.iter().find(|(_, forwarded)| *forwarded == guest);
        found.map(|(host, _)| *host).ok_or(Error::NotForwarded { port: guest })
    }

    /// `127.0.0.1:PORT` for the machine's port `guest`.
    pub fn address(&self, guest: u16) -> Result<String> {
        Ok(format!("127.0.0.1:{}", self.port(guest)?))
    }

    /// Calls `attempt` until it succeeds. QEMU accepts connections to ports on which the machine
    /// does not listen yet, so an attempt has to be answered: by a greeting, a page.
    ///
    /// # Errors
    /// `attempt` still fails after `patience`, or the machine ends before: with what the last
    /// attempt said and the last lines of the console. `what` is what is waited for.
    pub fn wait_until<T, E: StdError>(
        &mut self,
        what: &str,
        patience: Duration,
        mut attempt: impl FnMut() -> std::result::Result<T, E>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            let error = match attempt() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if self.qemu.has_ended()? {
                return Err(Error::Ended { console: self.console.tail() });
            }
            if start.elapsed() > patience {
                let console = self.console.tail();
                let what = format!("{what} ({error})");
                return Err(Error::Timeout { what, after: patience, console });
            }
            thread::sleep(INTERVAL);
        }
    }

    /// Whether the machine has switched itself off, or QEMU has ended for another reason.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.qemu.has_ended()?)
    }

    /// Presses the reset button.
    pub fn reset(&mut self) -> Result<()> {
        Control::connect(&self.control)?.execute("system_reset")
    }

    /// Presses the power button and waits until the machine has shut itself down.
    pub fn power_off(mut self, patience: Duration) -> Result<()> {
        Control::connect(&self.control)?.execute("system_powerdown")?;
        self.wait_for_end(patience)
    }

    /// Waits until the machine has switched itself off.
    pub fn wait_for_end(&mut self, patience: Duration) -> Result<()> {
        let start = Instant::now();
        while !self.qemu.has_ended()? {
            if start.elapsed() > patience {
                let (what, console) = ("end of the machine".into(), self.console.tail());
                return Err(Error::Timeout { what, after: patience, console });
            }
            thread::sleep(INTERVAL);
        }
        Ok(())
    }

    /// Cuts the power.
    pub fn kill(self) {
        self.qemu.kill();
    }
}
