//! Block devices: those that carry the data filesystem, found by its superblock.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use generation::cmdline::Data;
use mirror::Superblock;

use crate::error::{Context, Error, Result};
use crate::log::Log;
use crate::modules::Drivers;
use crate::superblock::{HEAD, is_medium};
use crate::watchdog::Watchdog;

/// How long devices may take to appear: a USB disk needs seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

const BLOCK_DEVICES: &str = "/sys/class/block";

/// A block device by its kernel name (`vda2`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its name under /dev and /sys/class/block.
    pub(crate) name: String,
    /// Its first bytes, [`HEAD`] at most.
    pub(crate) head: Vec<u8>,
}

/// A partition's place.
pub(crate) struct Partition {
    /// The kernel's name of the whole disk.
    pub(crate) disk: String,
    /// From 1.
    pub(crate) number: u32,
}

impl Device {
    /// Its node under /dev.
    pub(crate) fn path(&self) -> PathBuf {
        node(&self.name)
    }

    /// The device of this name, which has appeared since.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let node = node(name);
        Ok(Self { name: name.to_owned(), head: read_head(&node).on("read", &node)? })
    }

    /// Its numbers, `254:2`.
    pub(crate) fn numbers(&self) -> Result<String> {
        let attribute = Path::new(BLOCK_DEVICES).join(&self.name).join("dev");
        Ok(fs::read_to_string(&attribute).on("read", &attribute)?.trim().to_owned())
    }

    /// Whether an array has it already.
    pub(crate) fn is_held(&self) -> bool {
        let holders = Path::new(BLOCK_DEVICES).join(&self.name).join("holders");
        let holders = fs::read_dir(holders).into_iter().flatten().flatten();
        holders.into_iter().any(|holder| holder.file_name().to_string_lossy().starts_with("md"))
    }

    /// What it is in a mirror; nothing when it is in none.
    pub(crate) fn superblock(&self) -> Result<Option<Superblock>> {
        let place = mirror::superblock::place(self.size()? / mirror::SECTOR);
        let mut bytes = vec![0; mirror::superblock::LENGTH];
        let node = self.path();
        let file = File::open(&node).on("open", &node)?;
        file.read_exact_at(&mut bytes, place * mirror::SECTOR).on("read", &node)?;
        Ok(Superblock::read(&bytes, place))
    }

    /// Bytes.
    pub(crate) fn size(&self) -> Result<u64> {
        size(&self.name)
    }

    /// The disk that it is a partition of; nothing when it is a whole disk.
    pub(crate) fn partition(&self) -> Result<Option<Partition>> {
        let directory = Path::new(BLOCK_DEVICES).join(&self.name);
        let attribute = directory.join("partition");
        if !attribute.exists() {
            return Ok(None);
        }
        let number = number(&attribute)?;
        let real = fs::canonicalize(&directory).on("resolve", &directory)?;
        let disk = real.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        Ok(disk.and_then(|disk| {
            Some(Partition { disk: disk.to_owned(), number: u32::try_from(number).ok()? })
        }))
    }
}

/// The node of the device `name`.
pub(crate) fn node(name: &str) -> PathBuf {
    // A slash in a name stands in sysfs as an exclamation mark (cciss!c0d0).
    Path::new("/dev").join(name.replace('!', "/"))
}

/// The size of the device `name` in bytes: sysfs counts sectors of 512 bytes whatever the device.
pub(crate) fn size(name: &str) -> Result<u64> {
    Ok(number(&Path::new(BLOCK_DEVICES).join(name).join("size"))?.saturating_mul(512))
}

/// Bytes a logical sector of the disk `name`.
pub(crate) fn sector_size(name: &str) -> Result<u64> {
    number(&Path::new(BLOCK_DEVICES).join(name).join("queue/logical_block_size"))
}

fn number(attribute: &Path) -> Result<u64> {
    let text = fs::read_to_string(attribute).on("read", attribute)?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
        .on("read", attribute)
}

/// Waits for a device that is the medium `data`; all that are by then, by name, at least one.
pub(crate) fn find(
    data: &Data,
    drivers: &mut Drivers<'_>,
    log: &Log,
    watchdog: &mut Watchdog,
) -> Result<Vec<Device>> {
    let start = Instant::now();
    loop {
        let devices = all()?;
        let (found, devices): (Vec<_>, Vec<_>) =
            devices.into_iter().partition(|device| is_medium(data, &device.head));
        if !found.is_empty() {
            return Ok(found);
        }
        // It may be behind a driver whose turn has not come.
        if drivers.load_next(log, watchdog) {
            continue;
        }
        if start.elapsed() > PATIENCE {
            let seen = devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>();
            let seen = if seen.is_empty() { "none".into() } else { seen.join(", ") };
            return Err(Error::NoDevice {
                wanted: wanted(data),
                seen,
                drivers: drivers.describe(),
            });
        }
        watchdog.sleep(INTERVAL);
        drivers.load_for_new_devices(log, watchdog);
    }
}

fn wanted(data: &Data) -> String {
    match data {
        Data::Ext4(uuid) => format!("the ext4 filesystem {uuid}"),
        Data::Iso(volume) => format!("the ISO 9660 volume {volume}"),
    }
}

/// All devices that have something to read, by name.
fn all() -> Result<Vec<Device>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(BLOCK_DEVICES).on("list", BLOCK_DEVICES)? {
        names.extend(entry.on("list", BLOCK_DEVICES)?.file_name().into_string().ok());
    }
    names.sort();
    // A device that cannot be read (an empty drive, an unused loop device) carries nothing.
    Ok(names
        .into_iter()
        .filter_map(|name| {
            let head = read_head(&node(&name)).ok()?;
            (!head.is_empty()).then_some(Device { name, head })
        })
        .collect())
}

fn read_head(node: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(node)?;
    let mut head = vec![0; HEAD];
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    Ok(head)
}
