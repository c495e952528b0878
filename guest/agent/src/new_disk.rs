//! `heirloom mirror add`: another disk takes the place of one that a mirror has lost.
//!
//! The new disk's boot partition is a copy of the other's, byte for byte but for its serial
//! number: ldlinux.sys has to lie where its first sector says. The partition table comes last, so
//! that a disk that was not finished is none. Then the kernel rebuilds the data.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mirror::array::Arrays;
use mirror::table::{self, Change, Part};
use mirror::{SECTOR, Superblock, superblock};
use rustix::fs::OFlags;
use serde::Serialize;

use crate::lock::Lock;
use crate::machine::Quiet;
use crate::{Error, Result, disks, ioctl};

/// What `heirloom mirror add --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Added {
    /// The disk.
    pub disk: String,
}

/// At both ends of a disk: what has to be empty, and is overwritten.
const ENDS: u64 = 1 << 20;
/// How long the kernel may take to know the partitions.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// What is known of a disk that is to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts {
    whole_disk: bool,
    /// Bytes of its sectors.
    sector: u64,
    /// Bytes.
    size: u64,
    read_only: bool,
    /// Whether both ends are empty.
    blank: bool,
    /// Whether it is a disk of this mirror already.
    member: bool,
}

/// Takes the disk `device`, and begins to rebuild it.
///
/// # Errors
/// A server without a mirror, or whose mirror is complete or being rebuilt; a disk that is too
/// small, in use, or, without `force`, not empty. Nothing is written then.
pub fn add(device: &str, force: bool) -> Result<Added> {
    let _quiet = Quiet::begin()?;
    let found = disks::found()?;
    let Some((array, state)) = &found.array else {
        return Err(Error::Refused("this server has one disk: its data are not mirrored"));
    };
    if state.is_complete() {
        return Err(Error::Refused("both disks of the mirror are there and whole"));
    }
    if state.is_full() {
        return Err(Error::Refused("a disk of the mirror is being rebuilt already"));
    }
    let source = found.disks.first().filter(|disk| disk.in_sync).ok_or_else(disks::none)?;
    let node = fs::canonicalize(device).map_err(Error::io("find", device))?;
    let name = node.strip_prefix("/dev").unwrap_or(&node).to_string_lossy().replace('/', "!");
    let head = disks::head(&source.name)?;
    let [boot, data] = table::parts(&head)?;
    let member = found.disks.iter().any(|disk| disk.name == name);
    let facts = facts(&name, member)?;
    if let Some((why, hint)) = refusal(&facts, data, force) {
        return Err(Error::Disk { device: device.to_owned(), why, hint });
    }
    let newcomer = newcomer(&found.disks)?;
    let busy = || Error::Disk {
        device: device.to_owned(),
        why: "somebody else works on it".to_owned(),
        hint: None,
    };
    let _locked = Lock::disk(&node, busy())?;
    {
        // Fails for a disk that the kernel uses, whatever for (open(2), O_EXCL).
        let exclusive = OFlags::EXCL.bits() as i32;
        let open = OpenOptions::new().read(true).write(true).custom_flags(exclusive).open(&node);
        let mut disk = open.map_err(Error::io("open", &node))?;
        let change = Change {
            disk: facts.size,
            data_end: data.start + data.length,
            guids: [random()?, random()?, random()?],
        };
        let table = table::changed(&head, &change)?;
        prepare(&mut disk, &source.boot, &node, boot, facts.size)?;
        let place = superblock::place(data.length / SECTOR);
        let at = data.start + place * SECTOR;
        let [backup, first] = table;
        for (offset, bytes) in [
            (at, newcomer.bytes(place)),
            (backup.offset, backup.bytes),
            (first.offset, first.bytes),
        ] {
            let written = disk.write_all_at(&bytes, offset).and_then(|()| disk.sync_all());
            written.map_err(Error::io("write", &node))?;
        }
        read_partitions(&disk).map_err(Error::io("read the partitions of", &node))?;
    }
    let numbers = appeared(&name)?;
    let arrays = Arrays::default();
    // One that hangs in the array keeps no place from the new one.
    let _ = arrays.forget_faulty(array);
    arrays.add(array, &numbers)?;
    Ok(Added { disk: name })
}

/// Why a disk is not taken, and what to do about it.
fn refusal(facts: &Facts, data: Part, force: bool) -> Option<(String, Option<&'static str>)> {
    // The table's copy lies behind the data.
    let needed = data.start + data.length + 33 * SECTOR;
    if !facts.whole_disk {
        Some(("it is no whole disk".into(), Some("name the disk and not a partition of it")))
    } else if facts.member {
        Some(("it is a disk of this mirror".into(), None))
    } else if facts.read_only {
        Some(("it is read-only".into(), None))
    } else if facts.sector != SECTOR {
        Some((format!("its sectors have {} bytes, not {SECTOR}", facts.sector), None))
    } else if facts.size < needed {
        Some((format!("it has {} bytes, {needed} are needed", facts.size), None))
    } else if !facts.blank && !force {
        Some(("it is not empty".into(), Some("`--force` overwrites whatever is on it")))
    } else {
        None
    }
}

fn facts(name: &str, member: bool) -> Result<Facts> {
    let folder = Path::new("/sys/class/block").join(name);
    let number = |attribute: &str| -> u64 {
        let text = fs::read_to_string(folder.join(attribute)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    };
    let size = number("size") * SECTOR;
    let whole_disk = folder.exists() && !folder.join("partition").exists();
    let mut facts = Facts { whole_disk, size, member, ..Facts::default() };
    if whole_disk {
        facts.sector = number("queue/logical_block_size");
        facts.read_only = number("ro") != 0;
        facts.blank = is_blank(name, size)?;
    }
    Ok(facts)
}

fn is_blank(name: &str, size: u64) -> Result<bool> {
    let node = disks::node(name);
    let file = File::open(&node).map_err(Error::io("open", &node))?;
    let mut bytes = vec![0; usize::try_from(ENDS.min(size)).unwrap_or(0)];
    for at in [0, size.saturating_sub(ENDS)] {
        file.read_exact_at(&mut bytes, at).map_err(Error::io("read", &node))?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The superblock of a new member of the array of `disks`, with a number that nobody has had.
fn newcomer(disks: &[disks::Disk]) -> Result<Superblock> {
    let mut members = Vec::new();
    for disk in disks {
        members.extend(superblock_of(&disk.data, disk.in_sync)?);
    }
    // The first has all data.
    let first = members.first().ok_or_else(disks::none)?;
    let number = free_number(&members);
    let number = number.ok_or(Error::Refused("this mirror has had as many disks as it can"))?;
    Ok(first.newcomer(random()?, number))
}

fn free_number(members: &[Superblock]) -> Option<u32> {
    let used = members.iter().flat_map(|it| it.placed().chain([it.number])).max().unwrap_or(0);
    // The two of the beginning had these.
    let next = used.max(1) + 1;
    ((next as usize) < superblock::MEMBERS).then_some(next)
}

fn superblock_of(node: &Path, in_sync: bool) -> Result<Option<Superblock>> {
    let mut file = File::open(node).map_err(Error::io("open", node))?;
    let length = file.seek(SeekFrom::End(0)).map_err(Error::io("read", node))?;
    let place = superblock::place(length / SECTOR);
    let mut bytes = vec![0; superblock::LENGTH];
    file.read_exact_at(&mut bytes, place * SECTOR).map_err(Error::io("read", node))?;
    match Superblock::read(&bytes, place) {
        None if in_sync => {
            Err(Error::Broken { path: node.to_owned(), why: "it has no superblock".into() })
        }
        found => Ok(found),
    }
}

/// Empties both ends of the disk and gives it the boot partition of the other.
fn prepare(disk: &mut File, from: &Path, to: &Path, boot: Part, size: u64) -> Result<()> {
    let write = |source| Error::io("write", to)(source);
    let zeros = vec![0; usize::try_from(ENDS).unwrap_or(0)];
    disk.write_all_at(&zeros, 0).map_err(write)?;
    disk.write_all_at(&zeros, size.saturating_sub(ENDS)).map_err(write)?;
    disk.sync_all().map_err(write)?;
    let mut source = File::open(from).map_err(Error::io("open", from))?;
    disk.seek(SeekFrom::Start(boot.start)).map_err(write)?;
    let mut block = vec![0; 1 << 20];
    let mut left = boot.length;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(block.len()).min(block.len());
        source.read_exact(&mut block[..part]).map_err(Error::io("read", from))?;
        disk.write_all(&block[..part]).map_err(write)?;
        left -= part as u64;
    }
    // The serial number of the FAT, in its first sector and the copy of that.
    let mut sector = [0; SECTOR as usize];
    disk.read_exact_at(&mut sector, boot.start).map_err(Error::io("read", to))?;
    let copy = u64::from(u16::from_le_bytes([sector[50], sector[51]]));
    let serial = random()?;
    for at in [0, copy * SECTOR] {
        disk.write_all_at(&serial[..4], boot.start + at + 67).map_err(write)?;
    }
    disk.sync_all().map_err(write)
}

/// Lets the kernel read the disk's new table, as soon as nobody looks at a partition of the old one.
fn read_partitions(disk: &File) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match ioctl::read_partitions(disk) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy && start.elapsed() < PATIENCE => {
                thread::sleep(INTERVAL);
            }
            done => return done,
        }
    }
}

/// Waits for the data partition of the disk `name`; its device numbers.
fn appeared(name: &str) -> Result<String> {
    let start = Instant::now();
    loop {
        if let Some(data) = disks::partition(name, 2)? {
            let attribute = Path::new("/sys/class/block").join(&data).join("dev");
            if let Ok(numbers) = fs::read_to_string(&attribute) {
                return Ok(numbers.trim().to_owned());
            }
        }
        if start.elapsed() > PATIENCE {
            let why = "the kernel does not show its new partitions".to_owned();
            return Err(Error::Disk { device: name.to_owned(), why, hint: None });
        }
        thread::sleep(INTERVAL);
    }
}

/// A random GUID (version 4; its bytes look the same in a partition table).
fn random() -> Result<[u8; 16]> {
    let path = "/dev/urandom";
    let mut bytes = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(Error::io("read", path))?;
    // In a table the third group is little endian.
    bytes[7] = bytes[7] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: Part = Part { start: 272 << 20, length: 1 << 30 };

    fn good() -> Facts {
        let size = DATA.start + DATA.length + (1 << 20);
        Facts { whole_disk: true, sector: 512, size, blank: true, ..Facts::default() }
    }

    #[test]
    fn an_empty_disk_of_the_right_size_is_taken() {
        assert_eq!(refusal(&good(), DATA, false), None);
        let full = Facts { blank: false, ..good() };
        assert_eq!(refusal(&full, DATA, true), None);
    }

    #[test]
    fn what_is_no_good_disk_is_refused_with_the_reason() {
        let size = DATA.start + DATA.length;
        for (facts, force, reason) in [
            (Facts { whole_disk: false, ..good() }, true, "no whole disk"),
            (Facts { member: true, ..good() }, true, "a disk of this mirror"),
            (Facts { read_only: true, ..good() }, true, "read-only"),
            (Facts { sector: 4096, ..good() }, true, "4096"),
            (Facts { size, ..good() }, true, "are needed"),
            (Facts { blank: false, ..good() }, false, "not empty"),
        ] {
            let (why, _) = refusal(&facts, DATA, force).unwrap();
            assert!(why.contains(reason), "{why}");
        }
    }

    #[test]
    fn no_number_of_a_member_is_given_twice() {
        let new = |number| Superblock::new([1; 16], [2; 16], number, 100_000, 0, 0);
        assert_eq!(free_number(&[new(0)]), Some(2));
        let mut third = new(2);
        third.roles[2] = 1;
        assert_eq!(free_number(&[new(0), third]), Some(3));
        assert_eq!(free_number(&[new(127)]), None);
    }
}
