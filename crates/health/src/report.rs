//! Runs checks one after the other and says what they found.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::Failure;

/// What the checks found so far. Each check is one line: `ok NAME` or `not ok NAME: why`.
pub struct Report<'a> {
    out: &'a mut dyn Write,
    checks: usize,
    failed: usize,
}

impl<'a> Report<'a> {
    /// Nothing checked yet; lines go to `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, checks: 0, failed: 0 }
    }

    /// Runs one check. Every check runs, whatever the ones before it found.
    pub fn check(&mut self, name: &str, check: impl FnOnce() -> Result<(), Failure>) {
        let result = check();
        self.checks += 1;
        self.failed += usize::from(result.is_err());
        let line = match result {
            Ok(()) => format!("ok {name}\n"),
            Err(failure) => format!("not ok {name}: {failure}\n"),
        };
        // The exit code is the answer; a reader who went away loses the words only.
        let _ = self.out.write_all(line.as_bytes());
    }

    /// Whether every check was well. A report without checks is well: the server declares none.
    pub fn is_healthy(&self) -> bool {
        self.failed == 0
    }
}

/// The body of a check program: runs `checks`, prints what they found to standard output, and
/// gives the exit code: 0 when all were well, 1 otherwise.
pub fn main(checks: impl FnOnce(&mut Report<'_>)) -> ExitCode {
    let mut out = io::stdout().lock();
    let mut report = Report::new(&mut out);
    checks(&mut report);
    let (healthy, failed, all) = (report.is_healthy(), report.failed, report.checks);
    if healthy {
        return ExitCode::SUCCESS;
    }
    // As in `Report::check`.
    let _ = writeln!(out, "{failed} of {all} checks failed");
    ExitCode::FAILURE
}
