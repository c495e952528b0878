//! The least that a source has to send: one that gives a byte now and then is never silent, and
//! would be waited for without end.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Bytes a second.
pub(crate) const LEAST: u64 = 1024;

/// A body of which enough has to come in each window of time.
pub(crate) struct Paced<R> {
    body: R,
    window: Duration,
    start: Instant,
    /// Bytes of this window.
    came: u64,
}

impl<R> Paced<R> {
    pub(crate) fn new(body: R, window: Duration) -> Self {
        Self { body, window, start: Instant::now(), came: 0 }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let passed = self.start.elapsed();
        if passed >= self.window {
            if (self.came as f64) < LEAST as f64 * passed.as_secs_f64() {
                return Err(io::Error::other(TooSlow));
            }
            (self.start, self.came) = (Instant::now(), 0);
        }
        let read = self.body.read(buffer)?;
        self.came += read as u64;
        Ok(read)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("less than {LEAST} bytes a second")]
struct TooSlow;

/// Whether an error of reading is that of [`Paced`].
pub(crate) fn is_too_slow(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<TooSlow>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_enough_is_heard_to_the_end_and_who_does_not_is_left() {
        let short = Duration::from_millis(20);
        let mut enough = Paced::new(&[7; 9000][..], short);
        let mut buffer = [0; 1000];
        for _ in 0..9 {
            assert_eq!(enough.read(&mut buffer).unwrap(), 1000);
            std::thread::sleep(short / 2);
        }
        let mut little = Paced::new(&[7; 9000][..], short);
        assert_eq!(little.read(&mut buffer[..1]).unwrap(), 1);
        std::thread::sleep(short);
        assert!(is_too_slow(&little.read(&mut buffer[..1]).unwrap_err()));
    }
}
