//! Input that is waited for only so long: whose connection is gone, without a word, would hold what
//! it has locked for ever.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A file descriptor that is read with patience.
pub struct Patient<F> {
    file: F,
    patience: Duration,
}

impl<F: AsFd> Patient<F> {
    /// Reads `file` as long as something comes within `patience` each time.
    pub fn new(file: F, patience: Duration) -> Self {
        Self { file, patience }
    }

    fn wait(&self) -> io::Result<()> {
        let time = Timespec::try_from(self.patience).map_err(io::Error::other)?;
        loop {
            match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&time)) {
                Ok(0) => {
                    let what = format!("nothing came for {} s", self.patience.as_secs());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, what));
                }
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl<F: AsFd> Read for Patient<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        Ok(rustix::io::read(&self.file, buffer)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn who_says_nothing_any_more_is_not_waited_for() {
        let (read, mut write) = io::pipe().unwrap();
        write.write_all(b"some").unwrap();
        let mut patient = Patient::new(read, SHORT);
        let mut buffer = [0; 16];
        assert_eq!(patient.read(&mut buffer).unwrap(), 4);
        // The other end is there, and silent.
        let error = patient.read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(write);
        assert_eq!(patient.read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn who_is_slow_is_heard_to_the_end() {
        let (read, mut write) = io::pipe().unwrap();
        let slow = thread::spawn(move || {
            for byte in 0..8_u8 {
                write.write_all(&[byte]).unwrap();
                thread::sleep(SHORT / 4);
            }
        });
        let mut heard = Vec::new();
        Patient::new(read, SHORT * 40).read_to_end(&mut heard).unwrap();
        assert_eq!(heard, [0, 1, 2, 3, 4, 5, 6, 7]);
        slow.join().unwrap();
    }
}
