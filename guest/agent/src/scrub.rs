//! `heirloom scrub`: reads all blobs, slowly, and marks those that have changed on the disk, as long
//! as there is somebody who has them: the next deploy sends them again.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::thread;
use std::time::{Duration, Instant};

use digest::{Digest, Hasher};
use generation::{Layout, Manifest};
use rustix::fs::{Advice, fadvise};
use serde::Serialize;

use crate::{Error, Result};

/// Bytes a second: half of what an SD card gives.
const RATE: u64 = 20 << 20;
const PIECE: usize = 1 << 20;

/// What `heirloom scrub --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scrubbed {
    /// How many blobs were read.
    pub blobs: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Those that are damaged.
    pub damaged: Vec<Digest>,
}

/// Reads all blobs of `layout`, at 20 MB a second. What was found sound loses its mark.
///
/// # Errors
/// When the layout cannot be listed, or a mark cannot be made.
pub fn scrub(layout: &Layout) -> Result<Scrubbed> {
    scrub_at(layout, &mut Pace::new(RATE))
}

fn scrub_at(layout: &Layout, pace: &mut Pace) -> Result<Scrubbed> {
    let mut scrubbed = Scrubbed::default();
    for (digest, size) in layout.blobs()? {
        match is_sound(layout, digest, pace) {
            // It was removed meanwhile.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
            Ok(true) => layout.unmark_damaged(digest)?,
            Ok(false) => {
                layout.mark_damaged(digest)?;
                scrubbed.damaged.push(digest);
            }
        }
        scrubbed.blobs += 1;
        scrubbed.bytes += size;
    }
    Ok(scrubbed)
}

/// Marks the blobs of `running`, what runs, whose layers the kernel has found damaged: `layers` are
/// the beginnings of their digests. What has come again since then is sound, though the kernel goes
/// on with the damaged one.
///
/// # Errors
/// When a mark cannot be made.
pub fn mark(layout: &Layout, running: &Manifest, layers: &[String]) -> Result<()> {
    for blob in running.blobs() {
        let seen = layers.iter().any(|layer| blob.digest.hex().starts_with(layer));
        if seen && !is_sound(layout, blob.digest, &mut Pace::new(u64::MAX))? {
            layout.mark_damaged(blob.digest)?;
        }
    }
    Ok(())
}

/// Whether a blob has the bytes of its digest. One that cannot be read to its end has not.
fn is_sound(layout: &Layout, digest: Digest, pace: &mut Pace) -> Result<bool> {
    let path = layout.blob(digest);
    let mut file = File::open(&path).map_err(Error::io("open", &path))?;
    // What the kernel remembers of it says nothing of the disk. Where it does not forget, that is
    // read.
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    let (mut hasher, mut piece) = (Hasher::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hasher.finish() == digest),
            Ok(read) => {
                hasher.update(&piece[..read]);
                pace.took(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(false),
        }
    }
}

/// Keeps a rate.
struct Pace {
    rate: u64,
    start: Instant,
    taken: u64,
}

impl Pace {
    fn new(rate: u64) -> Self {
        Self { rate, start: Instant::now(), taken: 0 }
    }

    /// Waits until `bytes` more may have been read.
    fn took(&mut self, bytes: u64) {
        self.taken += bytes;
        let due = Duration::from_secs_f64(self.taken as f64 / self.rate as f64);
        thread::sleep(due.saturating_sub(self.start.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use generation::{Descriptor, manifest};

    use super::*;

    fn layout(folder: &tempfile::TempDir) -> (Layout, Vec<Descriptor>) {
        let layout = Layout::create(folder.path()).unwrap();
        let blobs = [&b"one"[..], b"another", b"a third"].map(|content| {
            let blob = Descriptor::of(manifest::MEDIA_TYPE_KERNEL, content);
            layout.insert(content, &blob).unwrap();
            blob
        });
        (layout, blobs.to_vec())
    }

    #[test]
    fn what_has_changed_on_the_disk_is_marked_and_what_is_sound_again_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (layout, blobs) = layout(&folder);
        let mut fast = Pace::new(u64::MAX);
        let scrubbed = scrub_at(&layout, &mut fast).unwrap();
        assert_eq!(scrubbed, Scrubbed { blobs: 3, bytes: 17, damaged: vec![] });

        let changed = layout.blob(blobs[1].digest);
        fs::write(&changed, "anXther").unwrap();
        let scrubbed = scrub_at(&layout, &mut fast).unwrap();
        assert_eq!(scrubbed.damaged, [blobs[1].digest]);
        assert!(!layout.contains(&blobs[1]) && layout.contains(&blobs[0]));

        fs::write(&changed, "another").unwrap();
        assert_eq!(scrub_at(&layout, &mut fast).unwrap().damaged, []);
        assert!(layout.contains(&blobs[1]));
    }

    #[test]
    fn a_rate_is_kept() {
        let mut pace = Pace::new(1000);
        pace.took(50);
        pace.took(50);
        assert!(pace.start.elapsed() >= Duration::from_millis(100));
    }
}
