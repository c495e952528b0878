//! Running a command on another machine.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// The longest answer of a command, in bytes.
const MAX_ANSWER: u64 = 16 << 20;

/// A way to run commands on one machine.
pub trait Transport {
    /// What a person calls the machine: `root@mail.example.org`.
    fn name(&self) -> &str;

    /// Starts a command line of the machine's shell.
    fn start(&self, command: &str) -> Result<Connection>;

    /// Runs a command to its end: what it said on standard output.
    ///
    /// # Errors
    /// Also when it ends with another status than 0.
    fn run(&self, command: &str) -> Result<String> {
        let (answer, ended) = self.hear(command)?;
        ended.check(self.name(), command)?;
        Ok(answer)
    }

    /// Runs a command to its end, however it ends: what it said on standard output until then.
    fn hear(&self, command: &str) -> Result<(String, Ended)> {
        let connection = self.start(command)?;
        drop(connection.input);
        let mut answer = Vec::new();
        let read = connection.output.take(MAX_ANSWER).read_to_end(&mut answer);
        let ended = connection.end.wait().map_err(|source| Error::Transport { source })?;
        read.map_err(|source| Error::Transport { source })?;
        let answer = String::from_utf8(answer)
            .map_err(|_| Error::Answer { command: command.to_owned(), why: "no text".into() })?;
        Ok((answer, ended))
    }
}

/// A command that was started.
pub struct Connection {
    /// Its standard input, which ends when this is dropped.
    pub input: Box<dyn Write + Send>,
    /// Its standard output.
    pub output: Box<dyn Read + Send>,
    /// Its end.
    pub end: Box<dyn Wait>,
}

/// What can be waited for.
pub trait Wait: Send {
    /// Waits until the command has ended.
    fn wait(self: Box<Self>) -> io::Result<Ended>;
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its status; none when a signal ended it.
    pub code: Option<i32>,
    /// The end of what it said on standard error.
    pub stderr: String,
}

impl Ended {
    /// Nothing for a command that succeeded, else why it did not.
    pub fn check(&self, host: &str, command: &str) -> Result<()> {
        match self.code {
            Some(0) => Ok(()),
            Some(255) | None => Err(Error::ssh(host, &self.stderr)),
            Some(127) if command.starts_with("heirloom ") => {
                Err(Error::NoAgent { host: host.to_owned() })
            }
            Some(code) => Err(Error::command(host, command, code, &self.stderr)),
        }
    }

    /// Whether it was the connection that ended, and not the command.
    pub fn is_connection(&self) -> bool {
        matches!(self.code, Some(255) | None)
    }
}

/// Counts what goes over the wire.
pub(crate) struct Counting {
    inner: Box<dyn Write + Send>,
    count: Arc<AtomicU64>,
}

impl Counting {
    /// Adds what is written to `inner` to `count`.
    pub(crate) fn new(inner: Box<dyn Write + Send>, count: Arc<AtomicU64>) -> Self {
        Self { inner, count }
    }
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
