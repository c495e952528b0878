//! One command at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::{Error, Result};

/// How long a command waits for another: what is done under a lock takes seconds. A transfer,
/// which takes longer, has a lock of its own.
const PATIENCE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(100);

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for it.
    ///
    /// # Errors
    /// `busy` when who has it does not end.
    pub(crate) fn take(path: &Path, busy: Error) -> Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(Error::io("open", path))?;
        let start = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK) if start.elapsed() < PATIENCE => thread::sleep(INTERVAL),
                Err(Errno::WOULDBLOCK) => return Err(busy),
                Err(errno) => return Err(Error::io("lock", path)(io::Error::from(errno))),
            }
        }
    }
}
