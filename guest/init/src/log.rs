//! What init says: to the kernel's log, and so, with its timestamps, to every console and later
//! to the journal.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Write;

/// The kernel's log. Without one (no /dev yet) standard error, which is the console.
pub(crate) struct Log(Option<File>);

/// The kernel drops what one program logs in quick succession unless told otherwise
/// (Documentation/admin-guide/sysctl/kernel.rst, printk_devkmsg).
const RATE: &str = "/proc/sys/kernel/printk_devkmsg";

impl Log {
    /// Opens the kernel's log; /dev and /proc are mounted.
    pub(crate) fn open() -> Self {
        // It stays so: systemd does the same. The worst is a line that the kernel leaves out.
        let _ = fs::write(RATE, "on\n");
        Self(OpenOptions::new().write(true).open("/dev/kmsg").ok())
    }

    /// A log that goes to standard error.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        Self(None)
    }

    /// What goes well: kernel priority 6, shown unless the command line has `quiet`.
    pub(crate) fn info(&self, message: impl Display) {
        self.line(6, &message);
    }

    /// What does not go as it should, and is carried on without: priority 4.
    pub(crate) fn warning(&self, message: impl Display) {
        self.line(4, &message);
    }

    /// Why the server does not boot: priority 2, always shown.
    pub(crate) fn fatal(&self, message: impl Display) {
        self.line(2, &message);
    }

    fn line(&self, priority: u8, message: &dyn Display) {
        let line = format!("<{priority}>heirloom: {message}\n");
        // One write is one record (Documentation/ABI/testing/dev-kmsg).
        let logged =
            self.0.as_ref().is_some_and(|mut kmsg| kmsg.write_all(line.as_bytes()).is_ok());
        if !logged {
            eprint!("{}", &line[3..]);
        }
    }
}
