//! Facts about a disk, from this machine or another.
//!
//! The same little script reads it here and in a rescue system: `sh`, `cat`, `readlink` and
//! `tr`, which busybox has, and `lsblk` or `blkid` where there is one. Its lines are facts, `key value`; what follows `== NAME` is a section as
//! the kernel or `lsblk` wrote it:
//!
//! ```text
//! path /dev/vda
//! number 254:0
//! sectors 41943040
//! part vda1 254:1 524288
//! == mounts
//! 22 1 0:21 / /proc rw,relatime - proc proc rw
//! ```

use std::collections::BTreeMap;

use super::{Device, SECTOR, State, Survey, quoted, size};
use crate::{Error, Result, Transport};

/// Reads what is known of the block device `$1`.
const SCRIPT: &str = r#"
p=$(readlink -f "$1") && [ -e "$p" ] || { echo "absent 1"; exit 0; }
echo "path $p"
[ -b "$p" ] || echo "other 1"
n=$(echo "${p#/dev/}" | tr / '!')
s=/sys/class/block/$n
fact() { [ -r "$2" ] && echo "$1 $(cat "$2" 2>/dev/null)"; }
fact number "$s/dev"
fact sectors "$s/size"
fact removable "$s/removable"
fact read-only "$s/ro"
fact own-sector "$s/queue/logical_block_size"
fact partition "$s/partition"
fact vendor "$s/device/vendor"
fact model "$s/device/model"
fact model "$s/device/name"
for q in "$s" "$s/$n"*; do
    [ -r "$q/dev" ] || continue
    m=${q##*/}
    [ "$m" = "$n" ] || echo "part $m $(cat "$q/dev") $(cat "$q/size")"
    for h in "$q"/holders/*; do [ -e "$h" ] && echo "holder ${h##*/}"; done
    for h in /sys/fs/btrfs/*/devices/"$m"; do [ -e "$h" ] && echo "holder btrfs"; done
    for h in /sys/block/loop*/loop/backing_file; do
        [ -r "$h" ] && [ "$(cat "$h")" = "/dev/$m" ] && echo "holder a loop device"
    done
done
echo "== mounts"
cat /proc/self/mountinfo
echo "== swaps"
cat /proc/swaps 2>/dev/null
echo "== contents"
lsblk -o NAME,SIZE,TYPE,FSTYPE,LABEL "$p" 2>/dev/null || { echo "== filesystems"; blkid "$p"* 2>/dev/null; }
true
"#;

impl Survey {
    /// Reads what is known of the disk `device` on the machine that `transport` leads to.
    pub fn of(transport: &dyn Transport, device: &str) -> Result<Self> {
        if !device.starts_with('/') || device.contains(|c: char| c.is_control()) {
            return Err(Error::Disk {
                device: device.escape_debug().to_string(),
                why: "it is no absolute path".to_owned(),
                hint: Some("name the whole disk: /dev/vda".to_owned()),
            });
        }
        let command = format!("sh -c {} heirloom {}", quoted(SCRIPT), quoted(device));
        Ok(Self::parse(device, &transport.run(&command)?))
    }

    /// Reads the script's answer about `device`. What is not there is as it is by default: a disk
    /// of no bytes, which is too small for everything.
    pub(crate) fn parse(device: &str, text: &str) -> Self {
        let mut survey = Self { path: device.to_owned(), ..Self::default() };
        let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let (mut section, mut model, mut parts) = (None, Vec::new(), Vec::new());
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("== ") {
                section = Some(name);
                continue;
            }
            if let Some(section) = section {
                sections.entry(section).or_default().push(line.to_owned());
                continue;
            }
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let value = value.trim();
            match key {
                "path" => survey.path = value.to_owned(),
                "absent" => survey.state = State::Absent,
                "other" => survey.state = State::NoBlockDevice,
                "partition" => survey.state = State::Partition,
                "number" => {
                    let device = Device { number: value.to_owned(), path: survey.path.clone() };
                    survey.devices.push(device);
                }
                "sectors" => survey.size = value.parse().map_or(0, |count: u64| count * SECTOR),
                "removable" => survey.removable = value == "1",
                "own-sector" => survey.own_sector = value.parse().unwrap_or(0),
                "read-only" => survey.read_only = value == "1",
                "vendor" | "model" if !value.is_empty() => model.push(value.to_owned()),
                "holder" => survey.holders.push(value.to_owned()),
                "part" => parts.push(value.to_owned()),
                _ => {}
            }
        }
        survey.model = model.join(" ").escape_debug().to_string();
        let mut take = |name| sections.remove(name).unwrap_or_default();
        (survey.mounts, survey.swaps) = (take("mounts"), take("swaps"));
        survey.contents = take("contents");
        let mut filesystems = take("filesystems");
        let unlisted = survey.contents.is_empty();
        for part in parts {
            let mut words = part.split(' ');
            let (name, number) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let sectors: u64 = words.next().and_then(|it| it.parse().ok()).unwrap_or(0);
            let path = format!("/dev/{}", name.replace('!', "/"));
            if unlisted {
                survey.contents.push(format!("{name} {}", size(sectors * SECTOR)));
            }
            survey.devices.push(Device { number: number.to_owned(), path });
        }
        survey.contents.append(&mut filesystems);
        survey
    }
}
