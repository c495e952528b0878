//! The serial console: what the machine says, kept; what it is to say, waited for.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// So many lines of the console are shown in an error.
const SHOWN_LINES: usize = 30;

/// A machine's serial console.
///
/// The text is what a person would read: without escape sequences and carriage returns. What
/// [`Console::wait_for`] has found is behind it: the next search begins there.
pub struct Console {
    shared: Arc<Shared>,
    input: PipeWriter,
    seen: usize,
}

#[derive(Default)]
struct Shared {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Default)]
struct Said {
    text: Text,
    ended: bool,
}

impl Console {
    /// Reads `output` to its end, in a thread.
    pub(crate) fn new(output: PipeReader, input: PipeWriter) -> Self {
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        thread::spawn(move || reader.read(output));
        Self { shared, input, seen: 0 }
    }

    /// Waits until the machine says `text`; returns the line up to it.
    ///
    /// # Errors
    /// It is not said within `patience`, or the machine ends before: with the last lines that it
    /// did say.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        let mut said = self.shared.lock();
        loop {
            if let Some(at) = said.text.clean[self.seen..].find(text) {
                let end = self.seen + at + text.len();
                self.seen = end;
                let start = said.text.clean[..end].rfind('\n').map_or(0, |at| at + 1);
                return Ok(said.text.clean[start..end].to_owned());
            }
            if said.ended {
                return Err(Error::Ended { console: said.text.tail() });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (what, console) = (format!("`{text}` on the console"), said.text.tail());
                return Err(Error::Timeout { what, after: patience, console });
            }
            let waited = self.shared.more.wait_timeout(said, left);
            said = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Passes over what was said so far: the next search begins behind it.
    pub fn skip(&mut self) {
        self.seen = self.shared.lock().text.clean.len();
    }

    /// Types `text`; a line ends in `\n`.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.input.write_all(text.as_bytes()).map_err(Error::io("write to", "the console"))
    }

    /// All that the machine has said so far.
    pub fn transcript(&self) -> String {
        self.shared.lock().text.clean.clone()
    }

    /// The last lines that the machine has said.
    pub(crate) fn tail(&self) -> String {
        self.shared.lock().text.tail()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, mut output: PipeReader) {
        let mut buffer = [0; 4096];
        loop {
            let read = output.read(&mut buffer);
            let mut said = self.lock();
            match read {
                Ok(0) => said.ended = true,
                Ok(count) => said.text.push(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => said.ended = true,
            }
            self.more.notify_all();
            if said.ended {
                return;
            }
        }
    }
}

/// Terminal output made text.
#[derive(Default)]
struct Text {
    clean: String,
    state: State,
}

/// Where in an escape sequence the output stands (ECMA-48, 5.3 and 5.4).
#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Plain,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte: one more follows.
    Intermediate,
    /// After ESC `[`: up to a byte from 0x40.
    Sequence,
}

impl Text {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = match (self.state, byte) {
                (_, 0x1b) => State::Escape,
                (State::Escape, b'[') => State::Sequence,
                (State::Escape, 0x20..=0x2f) => State::Intermediate,
                (State::Sequence, 0x20..=0x3f) => State::Sequence,
                (State::Plain, byte) => {
                    match byte {
                        b'\n' | b'\t' | 0x20..=0x7e => self.clean.push(char::from(*byte)),
                        0x80.. => self.clean.push('?'),
                        _ => {}
                    }
                    State::Plain
                }
                _ => State::Plain,
            };
        }
    }

    fn tail(&self) -> String {
        let lines: Vec<&str> = self.clean.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LATER: Duration = Duration::from_secs(20);

    fn console() -> (Console, PipeWriter, PipeReader) {
        let (output, machine_output) = std::io::pipe().unwrap();
        let (machine_input, input) = std::io::pipe().unwrap();
        (Console::new(output, input), machine_output, machine_input)
    }

    #[test]
    fn text_is_found_across_writes_and_colours_and_once() {
        let (mut console, mut machine, _input) = console();
        machine.write_all(b"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mpost").unwrap();
        machine.write_all(b"fix.service\x1b[0m.\r\nmail login: ").unwrap();
        let line = console.wait_for("Started postfix", LATER).unwrap();
        assert_eq!(line, "[  OK  ] Started postfix");
        console.wait_for("login:", LATER).unwrap();
        assert!(matches!(console.wait_for("login:", SOON), Err(Error::Timeout { .. })));
    }

    #[test]
    fn the_end_of_the_machine_ends_the_waiting_with_its_last_words() {
        let (mut console, mut machine, _input) = console();
        machine.write_all(b"Kernel panic - not syncing\r\n").unwrap();
        drop(machine);
        let error = console.wait_for("login:", LATER).unwrap_err();
        assert!(matches!(error, Error::Ended { .. }));
        assert!(error.to_string().contains("Kernel panic"), "{error}");
    }

    #[test]
    fn what_is_typed_reaches_the_machine() {
        let (mut console, machine, mut input) = console();
        console.send("root\n").unwrap();
        drop((console, machine));
        let mut typed = String::new();
        input.read_to_string(&mut typed).unwrap();
        assert_eq!(typed, "root\n");
    }

    #[test]
    fn escape_sequences_and_noise_are_no_text() {
        let mut text = Text::default();
        text.push(b"\x1bc\x1b[?7l\x1b[2J\x1b(Bsyslinux\x07\xff\x00 boot:\r\n\x1b[1");
        text.push(b";31mred");
        assert_eq!(text.clean, "syslinux? boot:\nred");
    }
}
