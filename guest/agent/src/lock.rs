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
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
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
    pub(crate) fn take(path: &Path, patience: Duration, busy: Error) -> Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        Self::hold(file.map_err(Error::io("open", path))?, path, patience, busy)
    }

    /// Waits until nobody else works on the disk `node`. As long as this is held, udev neither
    /// looks at it nor has its partition table read again, in which its partitions would be gone
    /// for a moment (systemd, BLOCK_DEVICE_LOCKING).
    ///
    /// # Errors
    /// `busy` when who works on it does not end.
    pub(crate) fn disk(node: &Path, busy: Error) -> Result<Self> {
        // Closed after writing, it would be looked at.
        let file = File::open(node).map_err(Error::io("open", node))?;
        Self::hold(file, node, PATIENCE, busy)
    }

    fn hold(file: File, path: &Path, patience: Duration, busy: Error) -> Result<Self> {
        let start = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK) if start.elapsed() < patience => thread::sleep(INTERVAL),
                Err(Errno::WOULDBLOCK) => return Err(busy),
                Err(errno) => return Err(Error::io("lock", path)(io::Error::from(errno))),
            }
        }
    }
}
