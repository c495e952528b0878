//! The caller's side of a worker.

use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::protocol::{Ids, Reply, Request, WORKER_ARGUMENT, send_request};
use crate::{idmap, serve};

/// The executable that was set, if any.
static EXECUTABLE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Makes `executable` the worker of this process, instead of the process's own executable: for
/// tests, whose `main` is not theirs. It has to call [`serve`](serve()) with the same jobs.
pub fn set_worker(executable: impl Into<PathBuf>) {
    *EXECUTABLE.lock().unwrap_or_else(PoisonError::into_inner) = Some(executable.into());
}

fn executable() -> Result<PathBuf> {
    let set = EXECUTABLE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match set {
        Some(path) => Ok(path),
        // This very file, also when another has taken its name since.
        None if serve::is_served() => Ok("/proc/self/exe".into()),
        None => Err(Error::NoWorker),
    }
}

/// A worker that does one request. Dropping it ends all that it started.
#[derive(Debug)]
pub(crate) struct Worker {
    executable: PathBuf,
    process: Child,
    socket: BufReader<UnixStream>,
}

impl Worker {
    /// Starts a worker on `request`, whose program or job gets `stdio`.
    pub(crate) fn start(request: &Request, stdio: [BorrowedFd<'_>; 3]) -> Result<Self> {
        let executable = executable()?;
        let failed = |source| Error::Worker { worker: executable.clone(), source };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let process = Command::new(&executable)
            .arg(WORKER_ARGUMENT)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut worker =
            Self { executable: executable.clone(), process, socket: BufReader::new(ours) };
        send_request(worker.socket.get_ref(), request, stdio).map_err(failed)?;
        if request.ids == Ids::Range {
            worker.map_ids()?;
        }
        Ok(worker)
    }

    fn map_ids(&mut self) -> Result<()> {
        match self.reply()? {
            Reply::MapIds => {}
            other => return Err(self.unexpected(&other)),
        }
        idmap::map_range(self.process.id())?;
        let mut socket = self.socket.get_ref();
        socket.write_all(&[1]).map_err(|source| self.failed(source))
    }

    /// Waits for the end of the work.
    pub(crate) fn wait(&mut self) -> Result<Reply> {
        let reply = self.reply();
        // The worker ends by itself after its answer, once it has cleaned up.
        self.process.wait().map_err(|source| self.failed(source))?;
        reply
    }

    /// Whether the work has ended.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        let ended = self.process.try_wait().map_err(|source| self.failed(source))?;
        Ok(ended.is_some())
    }

    /// Ends the work.
    pub(crate) fn kill(&mut self) {
        // Fails only if the worker has closed its end, and then it is at its end anyway.
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
        let _ = self.process.wait();
    }

    fn reply(&mut self) -> Result<Reply> {
        let mut line = String::new();
        self.socket.read_line(&mut line).map_err(|source| self.failed(source))?;
        if line.is_empty() {
            return Err(self.failed(io::Error::other("it ended without an answer")));
        }
        match serde_json::from_str(&line) {
            Ok(Reply::Failed(failure)) => {
                let (step, what, source) = failure.into_io();
                Err(Error::Setup { step, what, source })
            }
            Ok(reply) => Ok(reply),
            Err(error) => Err(self.failed(error.into())),
        }
    }

    pub(crate) fn unexpected(&self, reply: &Reply) -> Error {
        self.failed(io::Error::other(format!("unexpected answer {reply:?}")))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Worker { worker: self.executable.clone(), source }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}
