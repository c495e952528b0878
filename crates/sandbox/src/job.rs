//! Work of ours that needs the 65,536 users and groups of a server: it runs in a process of its
//! own, as root of a namespace that has them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::init::take_stdio;
use crate::protocol::{Ids, Reply, Request, Work, send_reply};
use crate::serve::set_handler;
use crate::worker::Worker;

/// A piece of work for [`in_namespace`].
///
/// Inside it sees the host's files, is root of ids 0 to 65,535, has its own pid, mount, network
/// (`lo` alone), host name and IPC namespaces, and may start [`crate::RootCommand`]s. Ids outside
/// of the namespace: its 0 is the invoking user.
pub trait Job: Serialize + DeserializeOwned {
    /// What it is called, in errors too: `package tree`.
    const NAME: &'static str;
    /// What comes back.
    type Output: Serialize + DeserializeOwned;
    /// Does the work. Standard output and error both go to the caller's standard error.
    fn run(self) -> Result<Self::Output, JobFailure>;
}

/// An error on its way to another process: what [`std::error::Error`] has to say, and a hint.
///
/// Made of every error by `?`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// The error.
    pub cause: Cause,
    /// What to do now.
    pub hint: Option<String>,
}

/// An error's message and that of its cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Cause {
    /// The error's own message.
    pub message: String,
    /// Its cause.
    #[source]
    pub source: Option<Box<Cause>>,
}

impl Cause {
    fn of(error: &dyn std::error::Error) -> Self {
        let source = error.source().map(|source| Box::new(Self::of(source)));
        Self { message: error.to_string(), source }
    }
}

impl JobFailure {
    /// `error`, with what to do about it.
    pub fn with_hint(error: &dyn std::error::Error, hint: Option<String>) -> Self {
        Self { cause: Cause::of(error), hint }
    }
}

impl<E: std::error::Error> From<E> for JobFailure {
    fn from(error: E) -> Self {
        Self::with_hint(&error, None)
    }
}

/// A job that this executable can do: see [`crate::serve`].
#[derive(Clone, Copy, Debug)]
pub struct JobEntry {
    pub(crate) name: &'static str,
    run: fn(&str) -> io::Result<Reply>,
}

impl JobEntry {
    /// The entry of job `J`.
    pub const fn of<J: Job>() -> Self {
        Self { name: J::NAME, run: run_json::<J> }
    }
}

fn run_json<J: Job>(input: &str) -> io::Result<Reply> {
    let job: J = serde_json::from_str(input)?;
    Ok(match job.run() {
        Ok(output) => Reply::Output(serde_json::to_string(&output)?),
        Err(failure) => Reply::JobFailed(failure),
    })
}

/// Where jobs find room, if it was set.
static SCRATCH_PARENT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Whether jobs may find room in memory.
static MEMORY: AtomicBool = AtomicBool::new(true);

/// The room of the job that this process is, if it is one.
static SCRATCH: OnceLock<Room> = OnceLock::new();

/// Where a job finds room.
#[derive(Debug)]
pub(crate) struct Room {
    /// Its directory on disk.
    pub(crate) path: PathBuf,
    /// Whether it may use memory instead.
    pub(crate) memory: bool,
}

/// Makes `parent` the directory in which jobs find room on disk; else it is `/var/tmp`.
pub fn set_scratch_parent(parent: impl Into<PathBuf>) {
    *SCRATCH_PARENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(parent.into());
}

/// Lets later jobs find room on disk only, whatever memory there is: directories have another
/// order there, which no result may depend on.
pub fn set_scratch_on_disk() {
    MEMORY.store(false, Ordering::Relaxed);
}

/// The room of the job that this process is; `None` outside of jobs.
pub(crate) fn own_scratch() -> Option<&'static Room> {
    SCRATCH.get()
}

/// Whether this process is a job.
pub(crate) fn is_job() -> bool {
    SCRATCH.get().is_some()
}

/// Does `job` in a process of its own, inside new namespaces with 65,536 users and groups.
///
/// Needs root, or `newuidmap` and `newgidmap` with a range in `/etc/subuid` and `/etc/subgid`.
pub fn in_namespace<J: Job>(job: &J) -> Result<J::Output> {
    run(job, Ids::Range)
}

pub(crate) fn run<J: Job>(job: &J, ids: Ids) -> Result<J::Output> {
    let value = |what| move |source| Error::JobValue { name: J::NAME, what, source };
    let input = serde_json::to_string(job).map_err(value("input"))?;
    let scratch = make_scratch()?;
    let work = Work::Job {
        name: J::NAME.into(),
        input,
        scratch: scratch.path().into(),
        memory: MEMORY.load(Ordering::Relaxed),
    };
    let request = Request { ids, network: false, terminal: false, work };
    let opening = |source| Error::Io { what: "open", path: "/dev/null".into(), source };
    let null = std::fs::File::open("/dev/null").map_err(opening)?;
    let stderr = io::stderr();
    let mut worker = Worker::start(&request, [null.as_fd(), stderr.as_fd(), stderr.as_fd()])?;
    match worker.wait()? {
        Reply::Output(output) => serde_json::from_str(&output).map_err(value("output")),
        Reply::JobFailed(JobFailure { cause, hint }) => {
            Err(Error::Job { name: J::NAME, source: cause, hint })
        }
        Reply::Ended(status) => Err(Error::JobDied { name: J::NAME, status }),
        other => Err(worker.unexpected(&other)),
    }
}

/// An empty directory. The worker removes it; this end does if there never was one.
fn make_scratch() -> Result<tempfile::TempDir> {
    let set = SCRATCH_PARENT.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let parent = set.unwrap_or_else(|| "/var/tmp".into());
    tempfile::Builder::new().prefix("heirloom-").tempdir_in(&parent).map_err(|source| Error::Io {
        what: "create a directory in",
        path: parent,
        source,
    })
}

/// The job's process: does the work, answers, ends.
pub(crate) fn run_in_worker(
    entry: &JobEntry,
    input: &str,
    room: Room,
    stdio: [OwnedFd; 3],
    socket: &UnixStream,
) -> ! {
    // As the standard library has it in a program of ours.
    set_handler(libc::SIGPIPE, libc::SIG_IGN);
    let _ = SCRATCH.set(room);
    let done = take_stdio(stdio)
        .and_then(|()| (entry.run)(input))
        .and_then(|reply| send_reply(socket, &reply));
    std::process::exit(match done {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{}: {error}", entry.name);
            1
        }
    })
}
