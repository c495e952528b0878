//! Process 1 of a sandbox: sets up what is seen, starts the work, reaps what is left behind.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions};

use crate::doctor::Probe;
use crate::job::{self, JobEntry};
use crate::mounts;
use crate::protocol::{Reply, Request, SetupFailure, Start, Status, Step, Work, send_reply};
use crate::serve::{ended, fork, set_handler};
use crate::{namespace, seccomp};

/// Does the request's work and ends the process.
pub(crate) fn run(
    request: &Request,
    stdio: [OwnedFd; 3],
    socket: &UnixStream,
    jobs: &[JobEntry],
    worker_lives: &OwnedFd,
) -> ! {
    let reply = match die_with(worker_lives).and_then(|()| work(request, stdio, socket, jobs)) {
        Ok(Some(status)) => Reply::Ended(status),
        Ok(None) => std::process::exit(0),
        Err(failure) => Reply::Failed(failure),
    };
    // If the answer does not arrive the caller is gone, and nobody is left to tell.
    std::process::exit(i32::from(send_reply(socket, &reply).is_err()))
}

/// Makes the worker's death this process's too.
fn die_with(worker_lives: &OwnedFd) -> Result<(), SetupFailure> {
    let failed = |error: rustix::io::Errno| {
        SetupFailure::new(Step::Namespaces, "follow the worker's end", error)
    };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    // It may have died just before: then its end of the pipe is closed.
    let mut lives = [PollFd::new(worker_lives, PollFlags::empty())];
    poll(&mut lives, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).map_err(failed)?;
    if lives[0].revents().is_empty() { Ok(()) } else { Err(failed(rustix::io::Errno::OWNERDEAD)) }
}

/// How the work ended; `None` where it has answered by itself.
fn work(
    request: &Request,
    stdio: [OwnedFd; 3],
    socket: &UnixStream,
    jobs: &[JobEntry],
) -> Result<Option<Status>, SetupFailure> {
    let failed =
        |what| move |error: rustix::io::Errno| SetupFailure::new(Step::Namespaces, what, error);
    if !request.terminal {
        rustix::process::setsid().map_err(failed("start a session"))?;
    }
    // The standard library ignores SIGPIPE here and gives it back to every program that it starts.
    for signal in (1..=libc::SIGRTMAX()).filter(|signal| *signal != libc::SIGPIPE) {
        set_handler(signal, libc::SIG_DFL);
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    namespace::enter(request.network)?;
    mounts::make_private()?;
    match &request.work {
        Work::Program(start) => run_program(start, stdio).map(Some),
        Work::Job { name, input, scratch, memory } => {
            mounts::mount_proc()?;
            let own = [JobEntry::of::<Probe>()];
            let known = jobs.iter().chain(&own).find(|entry| entry.name == name);
            let entry = known.ok_or_else(|| {
                let error = io::Error::other("the worker does not know this job");
                SetupFailure::new(Step::Start, format!("start {name}"), error)
            })?;
            match fork().map_err(|error| SetupFailure::new(Step::Start, "start a job", error))? {
                None => job::run_in_worker(
                    entry,
                    input,
                    job::Room { path: scratch.clone(), memory: *memory },
                    stdio,
                    socket,
                ),
                Some(pid) => {
                    drop(stdio);
                    let status = reap(pid)?;
                    Ok((status != Status::Exited(0)).then_some(status))
                }
            }
        }
    }
}

fn run_program(start: &Start, stdio: [OwnedFd; 3]) -> Result<Status, SetupFailure> {
    let traces = mounts::enter(&start.view)?;
    let status = start_program(start, stdio).and_then(reap);
    let removed = traces.remove();
    let status = status?;
    removed?;
    Ok(status)
}

fn start_program(start: &Start, stdio: [OwnedFd; 3]) -> Result<Pid, SetupFailure> {
    let failed = |what: &str| {
        let what = format!("{what} {}", start.program.display());
        move |error: io::Error| SetupFailure::new(Step::Start, what, error)
    };
    rustix::system::sethostname(start.hostname.as_bytes())
        .map_err(|error| failed("set the host name for")(error.into()))?;
    limit_resources().map_err(failed("limit the resources of"))?;
    if start.no_new_privileges {
        rustix::thread::set_no_new_privs(true)
            .map_err(|error| failed("take privileges from")(error.into()))?;
    }
    if start.free_sync {
        seccomp::free_sync().map_err(failed("make fsync free for"))?;
    }
    let [stdin, stdout, stderr] = stdio;
    let child = Command::new(&start.program)
        .args(&start.args)
        .env_clear()
        .envs(start.env.iter().map(|(key, value)| (key, value)))
        .current_dir(&start.cwd)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(failed("start"))?;
    Ok(Pid::from_child(&child))
}

/// The same limits for every program, whatever the host's are.
fn limit_resources() -> io::Result<()> {
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let soft = hard.map_or(1024, |hard| hard.min(1024));
    let files = Rlimit { current: Some(soft), maximum: hard };
    rustix::process::setrlimit(Resource::Nofile, files)?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    Ok(rustix::process::setrlimit(Resource::Core, none)?)
}

/// Waits for `main`, then kills what it left behind.
fn reap(main: Pid) -> Result<Status, SetupFailure> {
    let failed =
        |error: rustix::io::Errno| SetupFailure::new(Step::Start, "wait for the program", error);
    let status = loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == main => {
                if let Some(status) = ended(status) {
                    break status;
                }
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error)),
        }
    };
    // To every process of the namespace but this one.
    // SAFETY: sends a signal, touches no memory.
    unsafe { libc::kill(-1, libc::SIGKILL) };
    while matches!(
        rustix::process::wait(WaitOptions::empty()),
        Ok(_) | Err(rustix::io::Errno::INTR)
    ) {}
    Ok(status)
}

/// The standard streams of a job: those that the caller chose.
pub(crate) fn take_stdio([stdin, stdout, stderr]: [OwnedFd; 3]) -> io::Result<()> {
    rustix::stdio::dup2_stdin(stdin.as_fd())?;
    rustix::stdio::dup2_stdout(stdout.as_fd())?;
    rustix::stdio::dup2_stderr(stderr.as_fd())?;
    Ok(())
}
