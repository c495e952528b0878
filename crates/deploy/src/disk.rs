//! What is known of a disk, and whether it may be overwritten.
//!
//! Facts are read by [`Survey::of`], on this machine or on another. The decision,
//! [`Survey::check`], is a pure function of them.

mod read;

use crate::{Error, Result};

/// Bytes of a sector, as /sys counts whatever the disk's own are.
pub const SECTOR: u64 = 512;

/// A disk, and what uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Its path, links resolved.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Maker and model, as far as it says.
    pub model: String,
    /// What is on it, a line each.
    pub contents: Vec<String>,
    state: State,
    read_only: bool,
    removable: bool,
    /// Bytes of the disk's own sectors; 0 where it does not say.
    own_sector: u64,
    /// Numbers and names of the disk and its partitions.
    devices: Vec<Device>,
    holders: Vec<String>,
    mounts: Vec<String>,
    swaps: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Disk,
    Partition,
    NoBlockDevice,
    Absent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Device {
    /// `8:1`.
    number: String,
    /// `/dev/sda1`.
    path: String,
}

impl Survey {
    /// Whether an image of `bytes` bytes may be written over it.
    ///
    /// # Errors
    /// When it is no disk, too small, has sectors of another size, or is in use: mounted, swapped to, part of a volume or an array;
    /// the disk of the running system is all of these.
    pub fn check(&self, bytes: u64) -> Result<()> {
        let refuse = |why: String, hint: Option<&str>| {
            let (device, hint) = (self.path.clone(), hint.map(str::to_owned));
            Err(Error::Disk { device, why, hint })
        };
        match self.state {
            State::Absent => return refuse("there is no such device".into(), None),
            State::NoBlockDevice => return refuse("it is no block device".into(), None),
            State::Partition => {
                let hint = "an image has its own partitions: name the whole disk";
                return refuse("it is a partition".into(), Some(hint));
            }
            State::Disk => {}
        }
        if let Some(place) = self.mounted() {
            let why = match place {
                "/" => "the running system is on it".to_owned(),
                place => format!("it is mounted at {}", place.escape_debug()),
            };
            return refuse(why, Some("if it is the right disk, unmount it first"));
        }
        if let Some(swap) = self.swaps.iter().find_map(|line| self.used(line.split(' ').next()?)) {
            return refuse(format!("{swap} is swap in use"), Some("swapoff"));
        }
        if let Some(holder) = self.holders.first() {
            let why = format!("it is part of {holder}, which is in use");
            return refuse(why, Some("take the volume, array or encryption down first"));
        }
        if self.read_only {
            return refuse("it is read-only".into(), None);
        }
        if !matches!(self.own_sector, 0 | SECTOR) {
            let why = format!(
                "its sectors have {} bytes, an image is made for {SECTOR}: nothing would boot",
                self.own_sector
            );
            let hint = "many such disks can be set to sectors of 512 bytes (`nvme format --lbaf`, \
                        `hdparm --set-sector-size`), which erases them";
            return refuse(why, Some(hint));
        }
        if self.size < bytes {
            return refuse(
                format!("it has {}, the image has {}", size(self.size), size(bytes)),
                None,
            );
        }
        Ok(())
    }

    /// Whether `other` is the same disk, whatever it was named.
    pub fn is(&self, other: &Self) -> bool {
        let number = |disk: &Self| disk.devices.first().map(|it| it.number.clone());
        self.path == other.path || number(self).is_some_and(|it| Some(it) == number(other))
    }

    /// What a person is asked about.
    pub fn describe(&self) -> String {
        let model = if self.model.is_empty() { "of unknown make" } else { &self.model };
        let kind = if self.removable { ", removable" } else { "" };
        format!("{}, {}, {model}{kind}", self.path, size(self.size))
    }

    /// Where a filesystem of it is mounted (proc_pid_mountinfo(5)). The root comes first.
    fn mounted(&self) -> Option<&str> {
        let mut found = None;
        for line in &self.mounts {
            let fields: Vec<_> = line.split(' ').collect();
            let (Some(number), Some(place)) = (fields.get(2), fields.get(4)) else { continue };
            let source = fields.iter().position(|it| *it == "-").and_then(|at| fields.get(at + 2));
            // A btrfs has a number of its own: there the source says it.
            let is_it = self.devices.iter().any(|it| it.number == *number)
                || source.is_some_and(|source| self.used(source).is_some());
            if is_it && (found.is_none() || *place == "/") {
                found = Some(*place);
            }
        }
        found
    }

    fn used(&self, path: &str) -> Option<&str> {
        self.devices.iter().map(|it| it.path.as_str()).find(|it| *it == path)
    }
}

/// The bytes at the disk's end that are overwritten with zeros, behind an image of `image` bytes:
/// where a former partition table's copy is (GPT, 33 sectors) and labels of arrays. First sector
/// and count.
pub(crate) fn tail(disk: u64, image: u64) -> (u64, u64) {
    const TAIL: u64 = 1 << 20;
    let first = image.max(disk.saturating_sub(TAIL)) / SECTOR;
    (first, (disk / SECTOR).saturating_sub(first))
}

/// A word for a POSIX shell.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: &str = "path /dev/sdb\nnumber 8:16\nsectors 62333952\nremovable 1\nread-only 0\nown-sector 512\n\
        vendor Generic \nmodel STORAGE DEVICE  \npart sdb1 8:17 524288\npart sdb2 8:18 61806592\n";
    const MOUNTS: &str = "== mounts\n\
        22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw\n\
        28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw,errors=remount-ro\n\
        90 28 254:1 /var/lib/x /srv rw - ext4 /dev/root rw\n\
        91 28 0:44 /@home /home rw,relatime shared:40 - btrfs /dev/sdc2 rw,subvol=/@home\n";
    const SWAPS: &str = "== swaps\nFilename Type Size Used Priority\n/dev/sdd3 partition 1 0 -2\n";

    fn survey(facts: &str) -> Survey {
        Survey::parse("/dev/x", &format!("{facts}{MOUNTS}{SWAPS}== contents\n"))
    }

    fn why(survey: &Survey) -> String {
        match survey.check(1 << 30) {
            Err(Error::Disk { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_unused_disk_may_be_written_and_is_described() {
        let survey = survey(DISK);
        survey.check(1 << 30).unwrap();
        assert_eq!(survey.describe(), "/dev/sdb, 31.9 GB, Generic STORAGE DEVICE, removable");
        assert_eq!(survey.contents, ["sdb1 268.4 MB", "sdb2 31.6 GB"]);
    }

    #[test]
    fn what_lsblk_says_is_shown_where_there_is_one() {
        let text = format!("{DISK}{MOUNTS}== contents\nNAME SIZE\nsdb 30G\n");
        assert_eq!(Survey::parse("/dev/sdb", &text).contents, ["NAME SIZE", "sdb 30G"]);
        let text = format!("{DISK}{MOUNTS}== contents\n== filesystems\n/dev/sdb2: TYPE=\"ext4\"\n");
        let contents = Survey::parse("/dev/sdb", &text).contents;
        assert_eq!(contents, ["sdb1 268.4 MB", "sdb2 31.6 GB", "/dev/sdb2: TYPE=\"ext4\""]);
    }

    #[test]
    fn disks_in_use_are_refused_with_the_reason() {
        for (facts, reason) in [
            (
                "path /dev/vda\nnumber 254:0\nsectors 9999999\npart vda1 254:1 9999\n",
                "running system",
            ),
            (
                "path /dev/sdc\nnumber 8:32\nsectors 9999999\npart sdc2 8:34 9999\n",
                "mounted at /home",
            ),
            ("path /dev/sdd\nnumber 8:48\nsectors 9999999\npart sdd3 8:51 9999\n", "sdd3 is swap"),
            ("path /dev/sde\nnumber 8:64\nsectors 9999999\nholder md0\n", "part of md0"),
            ("path /dev/sdf\nnumber 8:80\nsectors 9999999\nread-only 1\n", "read-only"),
            ("path /dev/sdf\nnumber 8:80\nsectors 2000000\n", "1.0 GB, the image has 1.1 GB"),
            (
                "path /dev/sdf\nnumber 8:80\nsectors 9999999\nown-sector 4096\n",
                "its sectors have 4096 bytes",
            ),
            ("path /dev/sdf1\nnumber 8:81\nsectors 9999999\npartition 1\n", "a partition"),
            ("path /etc/passwd\nother 1\n", "no block device"),
            ("absent 1\n", "no such device"),
            ("path /dev/sdf\nnumber 8:80\n", "the image has"),
        ] {
            let said = why(&survey(facts));
            assert!(said.contains(reason), "{facts}: {said}");
        }
    }

    #[test]
    fn a_name_that_begins_alike_is_another_disk() {
        let facts = "path /dev/sd\nnumber 8:1\nsectors 9999999\npart sd3 8:2 9999\n";
        survey(facts).check(1 << 30).unwrap();
    }

    #[test]
    fn the_tail_of_a_disk_never_reaches_into_the_image() {
        assert_eq!(tail(10 << 20, 4 << 20), (9 << 11, 1 << 11));
        assert_eq!(tail(4 << 20, 4 << 20), (4 << 11, 0));
        assert_eq!(tail((4 << 20) + 512, 4 << 20), (4 << 11, 1));
    }

    #[test]
    fn this_machine_is_read_by_the_script_itself() {
        let survey = Survey::of(&crate::Local, "/dev/null").unwrap();
        assert!(why(&survey).contains("no block device"), "{survey:?}");
        assert!(!survey.mounts.is_empty(), "{survey:?}");
        let survey = Survey::of(&crate::Local, "/dev/not there").unwrap();
        assert!(why(&survey).contains("no such device"), "{survey:?}");
        assert!(Survey::of(&crate::Local, "vda").is_err());
    }

    #[test]
    fn a_quoted_word_is_one_word() {
        assert_eq!(quoted("/dev/a b'c"), r"'/dev/a b'\''c'");
    }
}
