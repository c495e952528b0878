//! Onto the disk of a machine that runs a rescue system from its memory.
//!
//! The image goes through ssh straight to the disk, compressed where the rescue system can
//! decompress; it is nowhere in the machine's memory as a whole. The rescue system needs `sh`, `dd`,
//! `sync` and `sha256sum`: busybox is enough.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use digest::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;
use image::own::{self, Half, Ids, Patch};

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
    write_image(transport, disk, image, patches)
}

/// Writes the image over both disks of a mirror, which were surveyed and found good together
/// ([`check_mirror`]). Each is read back and compared.
///
/// # Errors
/// Those of [`install`]; then neither disk has a system that is whole.
pub fn install_mirror(
    transport: &dyn Transport,
    disks: [&Survey; 2],
    image: &Path,
) -> Result<[Written; 2]> {
    check_mirror(disks, written::length(image)?)?;
    let [one, other] = halves(disks)?;
    let one = own::half(image, &one)?;
    let other = own::half(image, &other)?;
    let first = write_image(transport, disks[0], image, &one.inside)?;
    let second = write_image(transport, disks[1], image, &other.inside)?;
    // Only now is there an array that a rescue system might start by itself.
    for (disk, patches) in [(disks[0], one.behind), (disks[1], other.behind)] {
        for patch in &patches {
            write_piece(transport, disk, patch)?;
        }
    }
    Ok([first, second])
}

/// Whether an image of `bytes` bytes may be written over both disks.
///
/// # Errors
/// One of them may not be written, they are the same, or the smaller has too little room.
pub fn check_mirror(disks: [&Survey; 2], bytes: u64) -> Result<()> {
    let [one, other] = disks;
    for disk in disks {
        disk.check(bytes)?;
    }
    let refuse = |disk: &Survey, why: String| {
        let hint = Some("a mirror has two disks of about the same size".to_owned());
        Err(Error::Disk { device: disk.path.clone(), why, hint })
    };
    if one.is(other) {
        return refuse(other, "it is named twice".to_owned());
    }
    let smaller = if other.size < one.size { other } else { one };
    // Both superblock and slack lie behind the image.
    let needed = bytes + mirror::SLACK + (1 << 20);
    if bytes > 0 && smaller.size < needed {
        return refuse(smaller, format!("it has {} bytes, a mirror needs {needed}", smaller.size));
    }
    Ok(())
}

fn halves(disks: [&Survey; 2]) -> Result<[Half; 2]> {
    let (ids, more) = (Ids::random()?, Ids::random()?);
    let other = Ids { data_filesystem: ids.data_filesystem, ..more.clone() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let half = |disk: &Survey, ids: Ids, number| Half {
        ids,
        disk: disk.size,
        smaller: disks[0].size.min(disks[1].size),
        array: more.data_filesystem,
        number,
        now,
    };
    Ok([half(disks[0], ids.clone(), 0), half(disks[1], other, 1)])
}

fn write_image(
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

/// Writes a piece of whole sectors behind the image, reads it back and compares.
fn write_piece(transport: &dyn Transport, disk: &Survey, piece: &Patch) -> Result<()> {
    let device = quoted(&disk.path);
    let (first, count) = (piece.offset / SECTOR, piece.bytes.len() as u64 / SECTOR);
    let command = shell(&format!(
        "dd of={device} bs={SECTOR} seek={first} conv=notrunc 2>/dev/null && sync && \
         {{ blockdev --flushbufs {device} 2>/dev/null || true; }} && \
         {{ blockdev --rereadpt {device} 2>/dev/null || true; }} && \
         dd if={device} bs={SECTOR} skip={first} count={count} 2>/dev/null | sha256sum"
    ));
    let failed = |source| Error::Transport { source };
    let Connection { mut input, mut output, end } = transport.start(&command)?;
    let sent = input.write_all(&piece.bytes).map_err(failed);
    drop(input);
    let mut answer = String::new();
    let heard = output.read_to_string(&mut answer).map_err(failed);
    end.wait().map_err(failed)?.check(transport.name(), &command)?;
    sent?;
    heard?;
    if !answer.starts_with(&Digest::of(&piece.bytes).hex()) {
        return Err(Error::ReadBack { device: format!("{} of {}", disk.path, transport.name()) });
    }
    Ok(())
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
    fn two_disks_of_a_mirror_are_two_and_have_room_for_its_slack() {
        let disk = |name: &str, bytes: u64| {
            let number = name.len();
            let sectors = bytes / 512;
            Survey::parse(name, &format!("path {name}\nnumber 8:{number}\nsectors {sectors}\n"))
        };
        let why = |one: &Survey, other: &Survey| match check_mirror([one, other], 1 << 30) {
            Err(Error::Disk { device, why, .. }) => format!("{device}: {why}"),
            other => panic!("{other:?}"),
        };
        let (one, other) = (disk("/dev/a", 4 << 30), disk("/dev/bb", 2 << 30));
        check_mirror([&one, &other], 1 << 30).unwrap();
        assert!(why(&one, &one).contains("named twice"));
        // The same disk by another name.
        assert!(why(&one, &disk("/dev/c", 4 << 30)).contains("named twice"));
        let small = disk("/dev/bb", (1 << 30) + (64 << 20));
        assert!(why(&one, &small).starts_with("/dev/bb: it has"), "{}", why(&one, &small));
        let mounted = "path /dev/bb\nnumber 8:9\nsectors 9999999\nholder md0\n";
        assert!(why(&one, &Survey::parse("/dev/bb", mounted)).contains("part of md0"));
    }

    #[test]
    fn a_piece_behind_the_image_is_written_and_compared() {
        let folder = tempfile::tempdir().unwrap();
        let (_, mut disk) = image_and_disk(folder.path());
        let piece = Patch { offset: 3 << 20, bytes: vec![0x55; 1024] };
        write_piece(&Local, &disk, &piece).unwrap();
        let bytes = fs::read(&disk.path).unwrap();
        assert_eq!(bytes.len(), 4 * LENGTH);
        assert_eq!(bytes[3 << 20..(3 << 20) + 1024], piece.bytes);
        assert_eq!(bytes[(3 << 20) + 1024], 0xaa);
        disk.path = "/dev/null".to_owned();
        assert!(matches!(write_piece(&Local, &disk, &piece), Err(Error::ReadBack { .. })));
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
