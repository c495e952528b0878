//! The program `archive`, compiled when it is first needed: resolver and signatures.

use std::io;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use lock::job::{Failure, Job, Order};
use lock::{Lock, Request};
use serde::de::DeserializeOwned;
use store::Store;

use crate::{Error, cargo};

/// The package that the program is in.
const PACKAGE: &str = "heirloom-archive";

/// Resolves a request; ids of users that `previous` has are kept.
pub(crate) fn resolve(
    store: &Store,
    subject: &str,
    request: Request,
    previous: Option<&Lock>,
) -> Result<Lock, Error> {
    let (subject, previous) = (subject.to_owned(), previous.cloned());
    ask(store, Job::Resolve { subject, request, previous })
}

/// The same, where only `moving` and what they need leave the versions of `previous`.
pub(crate) fn update(
    store: &Store,
    subject: &str,
    request: Request,
    previous: &Lock,
    moving: &[String],
) -> Result<Lock, Error> {
    let (previous, moving) = (previous.clone(), moving.to_vec());
    ask(store, Job::Update { subject: subject.to_owned(), request, previous, moving })
}

/// Checks the signatures of Arch's packages, which are in the store.
pub(crate) fn verify(store: &Store, lock: &Lock, main_keys: &[String]) -> Result<(), Error> {
    ask(store, Job::Verify { lock: lock.clone(), main_keys: main_keys.to_vec() })
}

fn ask<T: DeserializeOwned>(store: &Store, job: Job) -> Result<T, Error> {
    let order = Order { store: store.options().clone(), console: progress::settings(), job };
    let answer: Result<T, Failure> =
        answer(store.is_offline(), &order).map_err(|source| Error::ArchiveProgram { source })?;
    Ok(answer?)
}

fn answer<A: DeserializeOwned>(offline: bool, order: &Order) -> io::Result<A> {
    /// Cargo is asked once a process.
    static PROGRAM: OnceLock<std::path::PathBuf> = OnceLock::new();
    let program = match PROGRAM.get() {
        Some(program) => program,
        None => {
            let program = cargo::program(PACKAGE, offline)?;
            PROGRAM.get_or_init(|| program)
        }
    };
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    // It reads to the end before it writes. If it stopped reading, its end says more.
    let sent = child.stdin.take().map(|to| serde_json::to_writer(to, order));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{PACKAGE}: {}", output.status)));
    }
    sent.transpose()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}
