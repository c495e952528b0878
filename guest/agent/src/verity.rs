//! The layers of what is running, as the kernel checks them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::{Error, Result, ioctl};

/// What init's mapped devices are called, and then the digest's beginning.
const PREFIX: &str = "heirloom-";

const DEVICES: &str = "/sys/block";
const CONTROL: &str = "/dev/mapper/control";

/// A layer's mapped device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name for the device mapper.
    pub name: String,
    /// Its node.
    pub node: PathBuf,
}

/// The devices of all layers, by name.
pub fn devices() -> Result<Vec<Device>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(DEVICES).map_err(Error::io("list", DEVICES))? {
        let entry = entry.map_err(Error::io("list", DEVICES))?;
        // What is no mapped device has no such attribute.
        let Ok(name) = fs::read_to_string(entry.path().join("dm/name")) else { continue };
        let name = name.trim();
        if name.starts_with(PREFIX) {
            let node = Path::new("/dev").join(entry.file_name());
            found.push(Device { name: name.to_owned(), node });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Reads every block of every layer, and so has the kernel check it. On trial a block that does not
/// match is a panic; otherwise it is an error here.
pub fn read_all() -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    for device in devices()? {
        let read = File::open(&device.node).and_then(|mut file| {
            while file.read(&mut buffer)? > 0 {}
            Ok(())
        });
        read.map_err(Error::io("read", &device.node))?;
    }
    Ok(())
}

/// The layers of which the kernel has seen a block that does not match since the boot.
pub fn corrupted() -> Result<Vec<String>> {
    let devices = devices()?;
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let control = File::options().read(true).write(true).open(CONTROL);
    let control = control.map_err(Error::io("open", CONTROL))?;
    let mut found = Vec::new();
    for device in devices {
        let status = ioctl::dm_status(&control, &device.name);
        // "V" for valid, "C" for corruption (Documentation/admin-guide/device-mapper/verity.rst).
        if status.map_err(Error::io("ask about", &device.node))?.starts_with('C') {
            found.push(device.name.trim_start_matches(PREFIX).to_owned());
        }
    }
    Ok(found)
}
