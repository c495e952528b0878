//! A program that runs in a sandbox, and its streams.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::protocol::{Reply, Request, Status};
use crate::worker::Worker;

/// How many lines of a failed program's output an error shows.
const SHOWN_LINES: usize = 20;

/// Where standard input comes from.
#[derive(Default)]
pub enum Stdin {
    /// Nothing.
    #[default]
    Null,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file, from where it stands.
    File(File),
    /// What this gives. An error of it is an error of the command.
    Reader(Box<dyn Read + Send>),
    /// The caller's own; the program stays in its terminal session.
    Inherit,
    /// [`Running::stdin`].
    Piped,
}

impl std::fmt::Debug for Stdin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bytes(_) => "Bytes",
            Self::File(_) => "File",
            Self::Reader(_) => "Reader",
            Self::Inherit => "Inherit",
            Self::Piped => "Piped",
        })
    }
}

/// Where standard output or error goes.
#[derive(Debug, Default)]
pub enum Sink {
    /// Into [`Output`].
    #[default]
    Capture,
    /// Into a file, from where it stands.
    File(File),
    /// Where the caller's goes.
    Inherit,
    /// [`Running::stdout`]; not for standard error.
    Piped,
    /// Standard error only: to where standard output goes.
    Merge,
}

/// What a program that did its work has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status: 0, or one that the caller accepts.
    pub code: i32,
    /// What it wrote to standard output, where that was captured.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, where that was captured.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// A program with its streams, about to be started.
pub(crate) struct Process {
    /// The command line, for people.
    pub(crate) label: String,
    pub(crate) request: Request,
    pub(crate) stdin: Stdin,
    pub(crate) stdout: Sink,
    pub(crate) stderr: Sink,
    /// Exit statuses that are no failure, besides 0.
    pub(crate) accepted: Vec<i32>,
}

/// A program that runs. It dies when this is dropped, and when the caller dies.
#[derive(Debug)]
pub struct Running {
    /// The other end of [`Stdin::Piped`].
    pub stdin: Option<io::PipeWriter>,
    /// The other end of [`Sink::Piped`].
    pub stdout: Option<io::PipeReader>,
    label: String,
    accepted: Vec<i32>,
    worker: Worker,
    feeding: Option<JoinHandle<io::Result<()>>>,
    reading: [Option<JoinHandle<io::Result<Vec<u8>>>>; 2],
}

impl Process {
    /// Starts it.
    pub(crate) fn spawn(self) -> Result<Running> {
        progress::detail("Running", &self.label);
        let stream = |what| {
            let command = self.label.clone();
            move |source| Error::Stream { command, what, source }
        };
        let input = open_input(self.stdin).map_err(stream("cannot make the standard input"))?;
        let output = open_sink(self.stdout, io::stdout().as_fd().try_clone_to_owned())
            .map_err(stream("cannot make the standard output"))?;
        let error = match self.stderr {
            Sink::Merge => output.end.try_clone().map(|end| Outlet { end, reader: None }),
            other => open_sink(other, io::stderr().as_fd().try_clone_to_owned()),
        }
        .map_err(stream("cannot make the standard error"))?;

        let stdio = [input.end.as_fd(), output.end.as_fd(), error.end.as_fd()];
        let worker = Worker::start(&self.request, stdio)?;
        // With our copies of the program's ends closed, its end is the end of its streams.
        drop((input.end, output.end, error.end));
        let (stdin, feeding) = match input.source {
            None => (None, None),
            Some((pipe, None)) => (Some(pipe), None),
            Some((pipe, Some(from))) => (None, Some(std::thread::spawn(|| feed(from, pipe)))),
        };
        let (stdout, reading) = match output.reader {
            Some((pipe, true)) => (None, Some(std::thread::spawn(|| read(pipe)))),
            Some((pipe, false)) => (Some(pipe), None),
            None => (None, None),
        };
        let errors = error.reader.map(|(pipe, _)| std::thread::spawn(|| read(pipe)));
        Ok(Running {
            stdin,
            stdout,
            label: self.label,
            accepted: self.accepted,
            worker,
            feeding,
            reading: [reading, errors],
        })
    }
}

impl Running {
    /// Waits until the program has ended.
    pub fn wait(mut self) -> Result<Output> {
        self.stdin = None;
        let reply = self.worker.wait()?;
        let stream = |what| {
            let command = self.label.clone();
            move |source| Error::Stream { command, what, source }
        };
        let fed = self.feeding.take().map_or(Ok(()), join);
        let [stdout, stderr] =
            self.reading.each_mut().map(|thread| thread.take().map_or(Ok(Vec::new()), join));
        let stdout = stdout.map_err(stream("cannot read the standard output"))?;
        let stderr = stderr.map_err(stream("cannot read the standard error"))?;
        let status = match reply {
            Reply::Ended(status) => status,
            other => return Err(self.worker.unexpected(&other)),
        };
        match status {
            Status::Exited(code) if code == 0 || self.accepted.contains(&code) => {
                fed.map_err(stream("cannot write the standard input"))?;
                Ok(Output { code, stdout, stderr })
            }
            _ => {
                let said = if stderr.iter().all(u8::is_ascii_whitespace) { stdout } else { stderr };
                let output = last_lines(&String::from_utf8_lossy(&said));
                Err(Error::Failed { command: self.label.clone(), status, output })
            }
        }
    }

    /// Whether the program has ended; [`Running::wait`] then says how, without waiting.
    pub fn has_ended(&mut self) -> Result<bool> {
        self.worker.has_ended()
    }

    /// Ends the program at once, with everything that it started.
    pub fn kill(mut self) {
        self.worker.kill();
    }
}

/// The program's end of its standard input, and what is written to ours.
struct Inlet {
    end: OwnedFd,
    source: Option<(io::PipeWriter, Option<Box<dyn Read + Send>>)>,
}

/// The program's end of an output, and ours: to be captured (`true`) or handed out.
struct Outlet {
    end: OwnedFd,
    reader: Option<(io::PipeReader, bool)>,
}

fn open_input(stdin: Stdin) -> io::Result<Inlet> {
    let source: Option<Box<dyn Read + Send>> = match stdin {
        Stdin::Null => {
            return Ok(Inlet { end: File::open("/dev/null")?.into(), source: None });
        }
        Stdin::File(file) => return Ok(Inlet { end: file.into(), source: None }),
        Stdin::Inherit => {
            let end = io::stdin().as_fd().try_clone_to_owned()?;
            return Ok(Inlet { end, source: None });
        }
        Stdin::Bytes(bytes) => Some(Box::new(io::Cursor::new(bytes))),
        Stdin::Reader(reader) => Some(reader),
        Stdin::Piped => None,
    };
    let (reader, writer) = io::pipe()?;
    Ok(Inlet { end: reader.into(), source: Some((writer, source)) })
}

fn open_sink(sink: Sink, inherited: io::Result<OwnedFd>) -> io::Result<Outlet> {
    let captured = match sink {
        Sink::File(file) => return Ok(Outlet { end: file.into(), reader: None }),
        Sink::Inherit => return Ok(Outlet { end: inherited?, reader: None }),
        Sink::Capture | Sink::Merge => true,
        Sink::Piped => false,
    };
    let (reader, writer) = io::pipe()?;
    Ok(Outlet { end: writer.into(), reader: Some((reader, captured)) })
}

fn feed(mut from: Box<dyn Read + Send>, mut pipe: io::PipeWriter) -> io::Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match pipe.write_all(&buffer[..count]) {
            // It has read what it wanted. If that was too little, its exit status says so.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
}

fn read(mut pipe: io::PipeReader) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn join<T>(thread: JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let skipped = lines.len().saturating_sub(SHOWN_LINES);
    let shown = lines[skipped..].join("\n");
    if skipped == 0 { shown } else { format!("... {skipped} lines\n{shown}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_end_of_long_output() {
        let text: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let shown = last_lines(&text);
        assert!(shown.starts_with("... 80 lines\nline 80\n"), "{shown}");
        assert!(shown.ends_with("line 99"), "{shown}");
        assert_eq!(last_lines("one\n\n"), "one");
    }
}
