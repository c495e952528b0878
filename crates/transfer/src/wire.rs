//! Lines of JSON and runs of bytes over a pair of pipes.

use std::io::{BufRead, BufReader, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::MAX_LINE;
use crate::{Error, Result};

/// Both directions of a connection.
pub(crate) struct Wire<R, W> {
    input: BufReader<R>,
    output: W,
}

impl<R: Read, W: Write> Wire<R, W> {
    pub(crate) fn new(input: R, output: W) -> Self {
        Self { input: BufReader::new(input), output }
    }

    /// Sends a line.
    pub(crate) fn send(&mut self, message: &impl Serialize) -> Result<()> {
        self.send_with(message, &[])
    }

    /// Sends a line, and bytes behind it.
    pub(crate) fn send_with(&mut self, message: &impl Serialize, bytes: &[u8]) -> Result<()> {
        let mut line = serde_json::to_vec(message)
            .map_err(|error| Error::protocol(format!("it cannot be written: {error}")))?;
        line.push(b'\n');
        let written = self.output.write_all(&line).and_then(|()| self.output.write_all(bytes));
        written.and_then(|()| self.output.flush()).map_err(Error::connection)
    }

    /// The next line; none when the other end has said all.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.input).take(MAX_LINE);
        limited.read_until(b'\n', &mut line).map_err(Error::connection)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            let cut = (line.len() as u64) < MAX_LINE;
            return Err(if cut { Error::Closed } else { Error::protocol("a line without end") });
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| Error::protocol(format!("`{}`: {error}", start(&line))))
    }

    /// The next `count` bytes. Memory is taken as they come, not as they are announced.
    pub(crate) fn receive_bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut limited = (&mut self.input).take(count as u64);
        limited.read_to_end(&mut bytes).map_err(Error::connection)?;
        if bytes.len() == count { Ok(bytes) } else { Err(Error::Closed) }
    }
}

/// The first characters of a line that may be anything, for a message.
fn start(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(80)]);
    text.trim_end().escape_debug().to_string()
}
