//! The disks that the server is on: one, or the two of a mirror.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use mirror::array::{Arrays, State};

use crate::machine::DATA;
use crate::{Error, Result, mounts};

const CLASS: &str = "/sys/class/block";
/// The partition that systemd-boot was started from: four bytes of attributes, UTF-16.
const LOADER: &str =
    "/sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// A disk of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// The kernel's name (`vda`).
    pub(crate) name: String,
    /// Its boot partition.
    pub(crate) boot: PathBuf,
    /// Its data partition.
    pub(crate) data: PathBuf,
    /// Whether it has all data.
    pub(crate) in_sync: bool,
}

/// What the server is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The disks, the one whose boot partition counts first.
    pub(crate) disks: Vec<Disk>,
    /// The kernel's name of the mirror, and what becomes of it.
    pub(crate) array: Option<(String, State)>,
}

/// Reads it from the kernel.
pub(crate) fn found() -> Result<Found> {
    let path = "/proc/self/mountinfo";
    let mountinfo = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let numbers = mounts::device_at(&mountinfo, DATA);
    let numbers =
        numbers.ok_or_else(|| Error::Elsewhere(format!("nothing is mounted at {DATA}")))?;
    let data = PathBuf::from(format!("/sys/dev/block/{numbers}"));
    let data = fs::canonicalize(&data).map_err(Error::io("resolve", &data))?;
    let name = data.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(state) = Arrays::default().state(&name)? else {
        let disks = vec![disk(&name, true)?];
        return Ok(Found { disks, array: None });
    };
    let mut disks = Vec::new();
    for member in state.members.iter().filter(|member| !member.faulty) {
        // One that is taken out meanwhile is none.
        disks.extend(disk(&member.name, member.in_sync).ok());
    }
    let loader = fs::read(LOADER).ok().map(|bytes| text_of(&bytes));
    order(&mut disks, |disk| loader.is_some() && guid(disk) == loader);
    Ok(Found { disks, array: Some((name, state)) })
}

/// A disk that has all data comes before one that has not, then the one that the bootloader came
/// from, then the first by name.
fn order(disks: &mut [Disk], mut is_loader: impl FnMut(&Disk) -> bool) {
    disks.sort_by_cached_key(|disk| (!disk.in_sync, !is_loader(disk), disk.name.clone()));
}

pub(crate) fn none() -> Error {
    Error::Elsewhere(format!("no disk has what is mounted at {DATA}"))
}

/// The node of the device that the kernel calls `name`: a slash stands in sysfs as an
/// exclamation mark.
pub(crate) fn node(name: &str) -> PathBuf {
    Path::new("/dev").join(name.replace('!', "/"))
}

/// The name of the disk of the partition `partition`, or that itself.
pub(crate) fn disk_of(partition: &str) -> String {
    let folder = fs::canonicalize(Path::new(CLASS).join(partition)).unwrap_or_default();
    let disk = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy());
    disk.map_or_else(|| partition.to_owned(), |disk| disk.into_owned())
}

/// The partition of the disk `name` that has this number.
pub(crate) fn partition(name: &str, number: u32) -> Result<Option<String>> {
    let folder = Path::new(CLASS).join(name);
    for entry in fs::read_dir(&folder).map_err(Error::io("list", &folder))? {
        let entry = entry.map_err(Error::io("list", &folder))?;
        let found = fs::read_to_string(entry.path().join("partition")).unwrap_or_default();
        if found.trim() == number.to_string() {
            return Ok(Some(entry.file_name().to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// The disk of the data partition `data`.
fn disk(data: &str, in_sync: bool) -> Result<Disk> {
    let name = disk_of(data);
    let boot = partition(&name, 1)?;
    let boot = boot.ok_or_else(|| Error::Elsewhere(format!("{name} has no first partition")))?;
    Ok(Disk { name, boot: node(&boot), data: node(data), in_sync })
}

/// The first bytes of the disk of this name: its partition table.
pub(crate) fn head(name: &str) -> Result<Vec<u8>> {
    let (node, mut head) = (node(name), vec![0; mirror::table::HEAD]);
    let read = File::open(&node).and_then(|file| file.read_exact_at(&mut head, 0));
    read.map_err(Error::io("read", &node))?;
    Ok(head)
}

/// The GUID of a disk's first partition, as text in lower case.
fn guid(disk: &Disk) -> Option<String> {
    let head = head(&disk.name).ok()?;
    let bytes = head.get(1024 + 16..1024 + 32)?;
    // The first three groups are little endian.
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let digits = order.iter().enumerate().map(|(at, byte)| match at {
        4 | 6 | 8 | 10 => format!("-{:02x}", bytes[*byte]),
        _ => format!("{:02x}", bytes[*byte]),
    });
    Some(digits.collect())
}

fn text_of(variable: &[u8]) -> String {
    let words = variable.get(4..).unwrap_or_default().chunks_exact(2);
    let words: Vec<u16> = words.map(|it| u16::from_le_bytes([it[0], it[1]])).collect();
    String::from_utf16_lossy(&words).trim_end_matches('\0').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_with_all_data_counts_then_the_bootloaders_then_the_first() {
        let disk = |name: &str, in_sync| Disk {
            name: name.into(),
            boot: node(&format!("{name}1")),
            data: node(&format!("{name}2")),
            in_sync,
        };
        let first = |one: bool, other: bool, loader: &str| {
            let mut disks = [disk("vdb", other), disk("vda", one)];
            order(&mut disks, |disk| disk.name == loader);
            disks[0].name.clone()
        };
        assert_eq!(first(true, true, ""), "vda");
        assert_eq!(first(true, true, "vdb"), "vdb");
        assert_eq!(first(false, true, "vda"), "vdb", "an old disk that the firmware prefers");
    }

    #[test]
    fn a_variable_of_the_firmware_is_text() {
        let bytes = b"\x06\0\0\0A\0b\0-\0\x31\0\0\0";
        assert_eq!(text_of(bytes), "ab-1");
    }
}
