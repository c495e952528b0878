//! Lines of JSON and runs of bytes over a pair of pipes.

use std::io::{BufRead, BufReader, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::chatter::{MAX_CHATTER, answer_in};
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
        let line = self.line(MAX_LINE)?;
        if line.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| Error::protocol(format!("`{}`: {error}", start(&line))))
    }

    /// The first answer, behind what a login shell may print before it.
    pub(crate) fn receive_first<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let mut chatter: Option<String> = None;
        let mut left = MAX_CHATTER;
        loop {
            let line = match self.line(left) {
                Ok(line) if line.is_empty() => Err(Error::Closed),
                line => line,
            };
            let line = match (line, chatter) {
                // All that the other end said, however it ended, was this.
                (Err(_), Some(said)) => return Err(Error::NoAnswer(said)),
                (Err(Error::Closed), None) => return Ok(None),
                (line, _) => line?,
            };
            match answer_in(&line) {
                Ok(answer) => return Ok(Some(answer)),
                Err(_) => chatter = Some(start(&line)),
            }
            left = left.saturating_sub(line.len() as u64);
        }
    }

    /// The next line with its end, at most `limit` bytes; empty when the other end has said all.
    fn line(&mut self, limit: u64) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.input).take(limit);
        limited.read_until(b'\n', &mut line).map_err(Error::connection)?;
        if line.is_empty() || line.last() == Some(&b'\n') {
            return Ok(line);
        }
        let cut = (line.len() as u64) < limit;
        Err(if cut { Error::Closed } else { Error::protocol("a line without end") })
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
