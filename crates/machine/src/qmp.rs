//! QEMU's control socket (QEMU, docs/interop/qmp-spec.rst): one JSON document a line.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// How long QEMU may take to open the socket and to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a machine's control socket.
pub(crate) struct Control {
    reader: BufReader<UnixStream>,
}

impl Control {
    /// Waits for the socket `path` and greets it.
    pub(crate) fn connect(path: &Path) -> Result<Self> {
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(_) if start.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(20)),
                Err(source) => return Err(Error::io("connect to", path)(source)),
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).map_err(Error::io("set up", path))?;
        let mut control = Self { reader: BufReader::new(stream) };
        let greeting = control.line()?;
        if greeting.get("QMP").is_none() {
            return Err(Error::Control { why: format!("`{greeting}` is no greeting") });
        }
        control.execute("qmp_capabilities")?;
        Ok(control)
    }

    /// Runs a command without arguments.
    pub(crate) fn execute(&mut self, command: &str) -> Result<()> {
        let request = format!("{}\n", json!({ "execute": command }));
        let failed = Error::io("write to", "the machine's control socket");
        self.reader.get_ref().write_all(request.as_bytes()).map_err(failed)?;
        loop {
            let answer = self.line()?;
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                return Err(Error::Control { why: format!("{command}: {error}") });
            }
            // An event: nobody waits for it.
        }
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line);
        let read = read.map_err(Error::io("read", "the machine's control socket"))?;
        if read == 0 {
            return Err(Error::Control { why: "closed by the machine".into() });
        }
        serde_json::from_str(&line).map_err(|error| Error::Control { why: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Plays QEMU: says `lines` after each request.
    fn machine(path: &Path, answers: Vec<&'static str>) -> thread::JoinHandle<Vec<String>> {
        let listener = UnixListener::bind(path).unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut asked = Vec::new();
            (&stream).write_all(b"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n").unwrap();
            for answer in answers {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                asked.push(line.trim().to_owned());
                (&stream).write_all(answer.as_bytes()).unwrap();
            }
            asked
        })
    }

    #[test]
    fn a_command_is_answered_between_events() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        let event = "{\"event\":\"RESET\"}\n{\"return\":{}}\n";
        let machine = machine(&path, vec!["{\"return\":{}}\n", event]);
        Control::connect(&path).unwrap().execute("system_reset").unwrap();
        let asked = machine.join().unwrap();
        assert_eq!(asked, [r#"{"execute":"qmp_capabilities"}"#, r#"{"execute":"system_reset"}"#]);
    }

    #[test]
    fn a_refusal_is_told_with_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        let refusal = "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"}}\n";
        let machine = machine(&path, vec!["{\"return\":{}}\n", refusal]);
        let error = Control::connect(&path).unwrap().execute("fly").unwrap_err().to_string();
        assert!(error.contains("fly") && error.contains("CommandNotFound"), "{error}");
        machine.join().unwrap();
    }
}
