//! The worker: this executable, started again, alone with one thread and a request.
//!
//! Rust code must not run between `fork` and `exec` of a program that has threads. So the caller
//! starts its own executable anew with [`WORKER_ARGUMENT`], and the worker, which has one thread,
//! forks as it likes:
//!
//! ```text
//! caller ── worker: enters the user namespace, watches the caller, cleans up
//!             └── init: process 1 of the pid namespace; the other namespaces, the mounts
//!                   └── the program, or the job
//! ```
//!
//! Nothing outlives the caller: its death closes the socket, and the worker kills init; the
//! worker's death kills init by PR_SET_PDEATHSIG; init's death kills everything in its namespace.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};
use rustix::thread::UnshareFlags;

use crate::init;
use crate::job::JobEntry;
use crate::protocol::{
    Ids, Reply, Request, SetupFailure, Status, Step, WORKER_ARGUMENT, Work, receive_request,
    send_reply,
};
use crate::{idmap, namespace};

static SERVED: AtomicBool = AtomicBool::new(false);

/// Whether this executable can be its own worker.
pub(crate) fn is_served() -> bool {
    SERVED.load(Ordering::Relaxed)
}

/// Makes this executable able to enter namespaces: to be called first in `main`, before any
/// thread is started.
///
/// Returns at once in an ordinary start. When the process was started as a worker, does its work
/// and does not return. `jobs` are what [`crate::in_namespace`] can be asked for.
pub fn serve(jobs: &[JobEntry]) {
    SERVED.store(true, Ordering::Relaxed);
    if std::env::args_os().nth(1).is_some_and(|first| first == WORKER_ARGUMENT) {
        std::process::exit(match work(jobs) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("sandbox worker: {error}");
                1
            }
        });
    }
}

fn work(jobs: &[JobEntry]) -> io::Result<()> {
    close_inherited()?;
    for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGTERM] {
        // These end the caller, whose end is seen and cleaned up after.
        set_handler(signal, libc::SIG_IGN);
    }
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let null = fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    let (request, stdio) = receive_request(&socket)?;
    match start_init(&request, stdio, &socket, jobs) {
        Ok(init) => watch(init, &socket)?,
        Err(failure) => send_reply(&socket, &Reply::Failed(failure))?,
    }
    if let Work::Job { scratch, .. } = &request.work {
        remove_scratch(scratch);
    }
    Ok(())
}

/// Whatever was open in the caller by mistake is not the sandbox's.
fn close_inherited() -> io::Result<()> {
    // SAFETY: nothing in this process has opened a descriptor above 2 yet, so nothing owns one.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub(crate) fn set_handler(signal: i32, handler: libc::sighandler_t) {
    // SAFETY: SIG_DFL and SIG_IGN run no code of ours. A signal that cannot be set stays as it is.
    unsafe { libc::signal(signal, handler) };
}

/// Process 1 of the new pid namespace.
struct Init {
    pid: Pid,
    descriptor: OwnedFd,
    /// Open as long as the worker lives.
    _alive: OwnedFd,
}

fn start_init(
    request: &Request,
    stdio: [OwnedFd; 3],
    socket: &UnixStream,
    jobs: &[JobEntry],
) -> Result<Init, SetupFailure> {
    enter_user_namespace(request.ids, socket)?;
    let failed = |what| move |error| SetupFailure::new(Step::Namespaces, what, error);
    namespace::unshare(UnshareFlags::NEWPID).map_err(failed("enter a new pid namespace"))?;
    let (worker_lives, alive) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| failed("make a pipe")(error.into()))?;
    match fork().map_err(failed("start the first process of the namespace"))? {
        Some(pid) => {
            let descriptor = rustix::process::pidfd_open(pid, PidfdFlags::empty())
                .map_err(|error| failed("watch the first process")(error.into()))?;
            Ok(Init { pid, descriptor, _alive: alive })
        }
        None => {
            drop(alive);
            init::run(request, stdio, socket, jobs, &worker_lives)
        }
    }
}

fn enter_user_namespace(ids: Ids, socket: &UnixStream) -> Result<(), SetupFailure> {
    if ids == Ids::Keep {
        return Ok(());
    }
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    namespace::unshare(UnshareFlags::NEWUSER).map_err(|error| {
        SetupFailure::new(Step::UserNamespace, "enter a new user namespace", error)
    })?;
    let mapped = match ids {
        Ids::Range => ask_for_ids(socket),
        _ => idmap::map_single(uid, gid),
    };
    mapped.map_err(|error| SetupFailure::new(Step::IdMap, "map the ids of the namespace", error))
}

/// The caller is outside of the new namespace and may map ids into it.
fn ask_for_ids(mut socket: &UnixStream) -> io::Result<()> {
    use std::io::Read;
    send_reply(socket, &Reply::MapIds)?;
    socket.read_exact(&mut [0])
}

/// Forks; `None` in the child.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the worker has one thread, as has its child, so no lock can be held by a thread that
    // the child lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Waits until init has ended, or ends it when the caller is gone.
fn watch(init: Init, socket: &UnixStream) -> io::Result<()> {
    let mut sockets =
        [PollFd::new(&init.descriptor, PollFlags::IN), PollFd::new(socket, PollFlags::RDHUP)];
    loop {
        match poll(&mut sockets, None) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let caller_is_gone = !sockets[1].revents().is_empty();
    if caller_is_gone {
        match rustix::process::pidfd_send_signal(&init.descriptor, Signal::KILL) {
            // It ended at the same time.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let waited = rustix::process::waitpid(Some(init.pid), WaitOptions::empty())?;
    let status = waited.and_then(|(_, status)| ended(status));
    match status {
        // Init says itself how its work ended, unless it was killed with it.
        Some(status @ Status::Signalled(_)) if !caller_is_gone => {
            send_reply(socket, &Reply::Ended(status))
        }
        _ => Ok(()),
    }
}

/// How a process ended, if it did.
pub(crate) fn ended(status: WaitStatus) -> Option<Status> {
    status
        .exit_status()
        .map(Status::Exited)
        .or_else(|| status.terminating_signal().map(Status::Signalled))
}

/// Removes a job's scratch with the rights of its namespace: files in it may belong to ids that the
/// user has no rights over outside.
fn remove_scratch(scratch: &Path) {
    match fs::remove_dir_all(scratch) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => eprintln!("sandbox worker: cannot remove {}: {error}", scratch.display()),
    }
}
