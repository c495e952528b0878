//! What the caller and its worker say to each other.
//!
//! The worker's standard input is one end of a Unix stream socket. The caller sends a length
//! (4 bytes, big endian) with the three descriptors that the work will have as standard input,
//! output and error (`SCM_RIGHTS`, unix(7)), then that many bytes of JSON: a [`Request`]. The
//! worker answers with lines of JSON, each a [`Reply`], and closes the socket. When the caller's
//! end closes, the worker ends everything that it started.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::mounts::View;

/// The first argument of a worker.
pub(crate) const WORKER_ARGUMENT: &str = "--heirloom-sandbox-worker";

/// A request is a command line and some mounts, or a job's input: more than this is a mistake.
const LONGEST_REQUEST: usize = 256 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) ids: Ids,
    /// Keeps the host's network.
    pub(crate) network: bool,
    /// Stays in the caller's terminal session.
    pub(crate) terminal: bool,
    pub(crate) work: Work,
}

/// Which user namespace the work gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ids {
    /// The caller's own.
    Keep,
    /// A new one, in which the caller is root and nobody else exists.
    Single,
    /// A new one of 65,536 users and groups, in which the caller is root.
    Range,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    Program(Box<Start>),
    Job {
        name: String,
        /// The job itself, as JSON.
        input: String,
        /// A directory of its own, which is removed when the job has ended.
        scratch: PathBuf,
        /// Whether room may be made in memory.
        memory: bool,
    },
}

/// A program to start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) view: View,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) cwd: PathBuf,
    pub(crate) hostname: String,
    /// `fsync` and its like do nothing.
    pub(crate) free_sync: bool,
    /// Neither set-user-id bits nor file capabilities give anything.
    pub(crate) no_new_privileges: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The worker is in its new user namespace and waits for the ids of it.
    MapIds,
    /// The work could not be started.
    Failed(SetupFailure),
    /// The program or the job's process ended so.
    Ended(Status),
    /// The job's output, as JSON.
    Output(String),
    /// The job's own error.
    JobFailed(crate::job::JobFailure),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit status {code}"),
            Self::Signalled(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Which step of the way into the sandbox failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A new user namespace.
    UserNamespace,
    /// The ids of the user namespace.
    IdMap,
    /// New mount, pid, network, host name or IPC namespaces.
    Namespaces,
    /// The files that are seen inside.
    Mounts,
    /// The program itself.
    Start,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SetupFailure {
    pub(crate) step: Step,
    /// What was tried: `mount proc on /proc`.
    pub(crate) what: String,
    /// The kernel's error number, where it was the kernel that refused.
    pub(crate) errno: Option<i32>,
    /// The error in words, where it was not.
    pub(crate) message: String,
}

impl SetupFailure {
    pub(crate) fn new(step: Step, what: impl Into<String>, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        Self { step, what: what.into(), errno: error.raw_os_error(), message: error.to_string() }
    }

    pub(crate) fn into_io(self) -> (Step, String, io::Error) {
        let error = match self.errno {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::other(self.message),
        };
        (self.step, self.what, error)
    }
}

/// Sends a request with the work's standard input, output and error.
pub(crate) fn send_request(
    mut socket: &UnixStream,
    request: &Request,
    stdio: [BorrowedFd<'_>; 3],
) -> io::Result<()> {
    let body = serde_json::to_vec(request)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_be_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&stdio)) {
        return Err(io::Error::other("no room for three descriptors"));
    }
    // A stream socket may take fewer bytes than it is given; the first carries the descriptors.
    let sent = sendmsg(socket, &[IoSlice::new(&length)], &mut ancillary, SendFlags::NOSIGNAL)?;
    socket.write_all(&length[sent..])?;
    socket.write_all(&body)
}

/// Receives what [`send_request`] sent.
pub(crate) fn receive_request(mut socket: &UnixStream) -> io::Result<(Request, [OwnedFd; 3])> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut length)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    let stdio = descriptors
        .try_into()
        .map_err(|_| io::Error::other("the request came without its three descriptors"))?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    socket.read_exact(&mut length[received.bytes..])?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST_REQUEST {
        return Err(io::Error::other("the request is too long"));
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    Ok((serde_json::from_slice(&body)?, stdio))
}

/// Sends one reply.
pub(crate) fn send_reply(mut socket: &UnixStream, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    socket.write_all(&line)
}
