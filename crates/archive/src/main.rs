//! The archive as a program: a job comes in, its answer goes out ([`lock::job`]).
//!
//! It is one of its own so that building from a lock, which is what is done most, waits neither for
//! the resolver nor for OpenPGP to be compiled, or for Cargo to look whether they are.

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use archive::arch::{self, MainKeys};
use lock::Lock;
use lock::job::{Failure, Job, Order};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Serialize;
use store::Store;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // Only who asks for no job gets here.
        Err(error) => {
            eprintln!("{} {error}", progress::error_head());
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    // Of a command that is killed nothing is left that goes on fetching.
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let order: Order = serde_json::from_reader(std::io::stdin().lock())
        .map_err(|error| format!("standard input has no job: {error}"))?;
    progress::configure(order.console);
    let store = Store::open(order.store);
    match order.job {
        Job::Resolve { subject, request, previous } => answer(store, |store| {
            let _shown = progress::spinner("Resolving", subject);
            archive::resolve(store, &request, previous.as_ref())
        }),
        Job::Update { subject, request, previous, moving } => answer(store, |store| {
            let _shown = progress::spinner("Resolving", subject);
            archive::update(store, &request, &previous, &moving)
        }),
        Job::Verify { lock, main_keys } => answer(store, |store| verify(store, &lock, &main_keys)),
    }
}

fn verify(store: &Store, lock: &Lock, main_keys: &[String]) -> Result<(), archive::Error> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let stored = |digest| store.path(digest);
    arch::verify(lock, &MainKeys::of(store, main_keys)?, &stored, threads)
}

/// Does `job` and writes what came of it.
fn answer<T: Serialize>(
    store: Result<Store, store::Error>,
    job: impl FnOnce(&Store) -> Result<T, archive::Error>,
) -> Result<(), Box<dyn Error>> {
    let done = match store {
        Ok(store) => job(&store).map_err(|error| Failure::of(&error, &hint)),
        Err(error) => Err(Failure::of(&error, &hint)),
    };
    match serde_json::to_writer(std::io::stdout().lock(), &done) {
        // Who asked was killed.
        Err(error) if error.io_error_kind() == Some(ErrorKind::BrokenPipe) => Ok(()),
        answered => Ok(answered?),
    }
}

/// What an error of ours advises.
fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let of_archive = || error.downcast_ref::<archive::Error>().and_then(archive::Error::hint);
    of_archive().or_else(|| error.downcast_ref::<store::Error>().and_then(store::Error::hint))
}
