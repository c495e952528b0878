//! Onto the disk of a machine that runs a rescue system from its memory.
//!
//! The image goes through ssh straight to the disk, compressed where the rescue system can
//! decompress; it is nowhere in the machine's memory as a whole. The rescue system needs `sh`, `dd`,
//! `sync` and `sha256sum`: busybox is enough.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::own::Patch;

use crate::disk::{SECTOR, Survey, quoted, tail};
use crate::transport::Counting;
use crate::written::{self, Copied, Written};
use crate::{Connection, Error, Result, Transport};

/// Says which of these programs there are.
const PROGRAMS: &str =
    "for p in dd sync sha256sum zstd gzip; do command -v $p >/dev/null 2>&1 && echo $p; done; true";

/// Bytes that dd reads at a time; images are multiples of it.
const DD_BLOCK: u64 = 64 << 10;

/// How an image is compressed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Zstd,
    Gzip,
    Plain,
}

/// Writes the raw image with `patches` in it over the disk, which was surveyed and found good, reads it back and
/// compares. What the image has as holes is zeros on the disk.
///
/// # Errors
/// When the connection breaks or the disk fails: then there is no system on the disk, and the same
/// has to be done again.
pub fn install(
    transport: &dyn Transport,
    disk: &Survey,
    image: &Path,
    patches: &[Patch],
) -> Result<Written> {
    let start = Instant::now();
    let length = written::length(image)?;
    disk.check(length)?;
    let coding = coding(transport)?;
    let (copied, sent) = write(transport, disk, (image, patches), coding)?;
    let _shown = progress::spinner("Reading", format!("{} back", disk.path));
    let answer = transport.run(&shell(&check_command(disk, length)))?;
    let found = answer.split_ascii_whitespace().next().unwrap_or_default();
    if found != copied.digest.hex() {
        return Err(Error::ReadBack { device: format!("{} of {}", disk.path, transport.name()) });
    }
    Ok(Written::new(copied, Some(sent), start))
}

fn coding(transport: &dyn Transport) -> Result<Coding> {
    let answer = transport.run(&shell(PROGRAMS))?;
    let has = |program: &str| answer.lines().any(|line| line == program);
    if let Some(missing) = ["dd", "sync", "sha256sum"].into_iter().find(|it| !has(it)) {
        let why = format!("the rescue system has no `{missing}`");
        return Err(Error::Rescue { host: transport.name().to_owned(), why });
    }
    Ok(match (has("zstd"), has("gzip")) {
        (true, _) => Coding::Zstd,
        (_, true) => Coding::Gzip,
        _ => Coding::Plain,
    })
}

/// The command that takes the image.
fn write_command(disk: &Survey, coding: Coding) -> String {
    let device = quoted(&disk.path);
    // dd alone says whether the disk took everything; a stream that was cut short is noticed when
    // the disk is read back.
    let write = format!("dd of={device} bs={DD_BLOCK}");
    match coding {
        Coding::Zstd => format!("zstd -dcq | {write}"),
        Coding::Gzip => format!("gzip -dc | {write}"),
        Coding::Plain => write,
    }
}

/// The command that clears the disk's tail and says the sha256 of its first `length` bytes, as the
/// disk has them: what the kernel remembers of them is forgotten first.
fn check_command(disk: &Survey, length: u64) -> String {
    let device = quoted(&disk.path);
    let (first, count) = tail(disk.size, length);
    let clear = match count {
        0 => String::new(),
        _ => format!(
            "dd if=/dev/zero of={device} bs={SECTOR} seek={first} count={count} 2>/dev/null && "
        ),
    };
    let block = if length.is_multiple_of(DD_BLOCK) { DD_BLOCK } else { SECTOR };
    let blocks = length / block;
    format!(
        "{clear}sync && {{ blockdev --flushbufs {device} 2>/dev/null || \
         {{ [ -b {device} ] && echo 1 > /proc/sys/vm/drop_caches; }} 2>/dev/null || true; }} && \
         {{ blockdev --rereadpt {device} 2>/dev/null || true; }} && \
         dd if={device} bs={block} count={blocks} 2>/dev/null | sha256sum"
    )
}

/// A script for `sh`, whatever shell the owner of the rescue system prefers.
fn shell(script: &str) -> String {
    format!("sh -c {}", quoted(script))
}

/// Streams the image; the bytes that went over the wire.
fn write(
    transport: &dyn Transport,
    disk: &Survey,
    image: (&Path, &[Patch]),
    coding: Coding,
) -> Result<(Copied, u64)> {
    let command = shell(&write_command(disk, coding));
    let Connection { input, mut output, end } = transport.start(&command)?;
    let sent = Arc::new(AtomicU64::new(0));
    let wire = Counting::new(input, Arc::clone(&sent));
    let copied = encode(image, wire, coding);
    // The command says nothing there, but it may be the first to end.
    let drained = io::copy(&mut output, &mut io::sink());
    let mut ended = end.wait().map_err(|source| Error::Transport { source })?;
    // dd ends with how much it did (POSIX, dd, STDERR), whatever happened before.
    let counts = |line: &&str| !line.contains("records ") && !line.contains(" copied");
    ended.stderr = ended.stderr.lines().filter(counts).collect::<Vec<_>>().join("\n");
    // Why the command ended says more than that it did.
    if ended.code != Some(0) || copied.is_ok() {
        ended.check(transport.name(), &command)?;
    }
    drained.map_err(|source| Error::Transport { source })?;
    Ok((copied?, sent.load(Ordering::Relaxed)))
}

fn encode((image, patches): (&Path, &[Patch]), wire: Counting, coding: Coding) -> Result<Copied> {
    let failed = |source| Error::Transport { source };
    let through = |out: &mut dyn Write| {
        written::copy(image, patches, "Writing", |block| out.write_all(block).map_err(failed))
    };
    match coding {
        Coding::Zstd => {
            let mut out = zstd::Encoder::new(wire, 3).map_err(failed)?;
            let copied = through(&mut out)?;
            out.finish().map_err(failed)?;
            Ok(copied)
        }
        Coding::Gzip => {
            let mut out = GzEncoder::new(wire, Compression::fast());
            let copied = through(&mut out)?;
            out.finish().map_err(failed)?;
            Ok(copied)
        }
        Coding::Plain => {
            let mut out = wire;
            through(&mut out)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::own;

    use super::*;
    use crate::Local;

    const LENGTH: usize = 1 << 20;

    /// An image with a hole, and a larger disk that is full of something else.
    fn image_and_disk(folder: &Path) -> (std::path::PathBuf, Survey) {
        let mut bytes: Vec<u8> = (0..LENGTH as u32 / 4).flat_map(|n| n.to_le_bytes()).collect();
        bytes[100_000..900_000].fill(0);
        let (image, disk) = (folder.join("image"), folder.join("it's a disk"));
        fs::write(&image, bytes).unwrap();
        fs::write(&disk, vec![0xaa; 4 * LENGTH]).unwrap();
        let (path, sectors) = (disk.to_str().unwrap(), 4 * LENGTH / 512);
        let facts = format!("path {path}\nnumber 8:0\nsectors {sectors}\n");
        (image, Survey::parse(path, &facts))
    }

    #[test]
    fn the_disk_becomes_the_image_in_every_coding() {
        let folder = tempfile::tempdir().unwrap();
        let (image, disk) = image_and_disk(folder.path());
        for coding in [Coding::Plain, Coding::Gzip, Coding::Zstd] {
            let (copied, sent) = write(&Local, &disk, (&image, &[]), coding).unwrap();
            assert_eq!(copied.bytes, LENGTH as u64);
            assert!(coding == Coding::Plain || sent < copied.bytes, "{coding:?}: {sent}");
            let found = Local.run(&shell(&check_command(&disk, copied.bytes))).unwrap();
            assert!(found.starts_with(&copied.digest.hex()), "{coding:?}: {found}");
        }
    }

    #[test]
    fn the_end_of_the_disk_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let (image, disk) = image_and_disk(folder.path());
        let written = install(&Local, &disk, &image, &[]).unwrap();
        let bytes = fs::read(&disk.path).unwrap();
        assert_eq!(bytes[..LENGTH], fs::read(&image).unwrap());
        assert_eq!(bytes.len(), 4 * LENGTH);
        assert!(bytes[3 * LENGTH..].iter().all(|byte| *byte == 0));
        assert_eq!(written.bytes, LENGTH as u64);
    }

    #[test]
    fn the_disk_gets_identifiers_of_its_own_and_the_image_keeps_its() {
        let folder = tempfile::tempdir().unwrap();
        let (image, disk) = image_and_disk(folder.path());
        let before = fs::read(&image).unwrap();
        // In a hole too, and at the image's end.
        let patches =
            [200_000, LENGTH as u64 - 3].map(|offset| Patch { offset, bytes: vec![0x77; 3] });
        install(&Local, &disk, &image, &patches).unwrap();
        assert_eq!(fs::read(&image).unwrap(), before);
        let mut wanted = before;
        own::apply(&patches, 0, &mut wanted);
        assert_eq!(fs::read(&disk.path).unwrap()[..LENGTH], wanted);
    }

    #[test]
    fn what_the_disk_does_not_keep_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (image, mut disk) = image_and_disk(folder.path());
        // Takes everything and gives it to nobody.
        disk.path = "/dev/null".to_owned();
        let error = install(&Local, &disk, &image, &[]).unwrap_err();
        assert!(matches!(error, Error::ReadBack { .. }), "{error}");
    }

    #[test]
    fn a_disk_that_fails_is_an_error_with_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let (image, mut disk) = image_and_disk(folder.path());
        disk.path = "/dev/full".to_owned();
        let error = install(&Local, &disk, &image, &[]).unwrap_err().to_string();
        assert!(error.contains("No space left"), "{error}");
    }

    #[test]
    fn a_disk_that_is_too_small_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (image, mut small) = image_and_disk(folder.path());
        small.size = LENGTH as u64 - 512;
        let error = install(&Local, &small, &image, &[]).unwrap_err();
        assert!(matches!(error, Error::Disk { .. }), "{error}");
        assert_eq!(fs::read(&small.path).unwrap(), vec![0xaa; 4 * LENGTH]);
    }
}
