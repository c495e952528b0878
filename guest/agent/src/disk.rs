//! Whether the server's disk is well: what init found of the data filesystem, and what the kernel
//! has met in it since.

use std::fs;
use std::path::Path;

use generation::Filesystem;
use generation::filesystem::{Check, Outcome};
use transfer::report::{Disk, DiskCheck, Mirror};

use crate::machine::{self, BOOT_CHECK, DATA, RUN};
use crate::{disks, mounts};

/// What there is to say of this machine's disk. What cannot be found out is a line of the notes.
pub fn report() -> Disk {
    let mut notes = Vec::new();
    let found = Filesystem::read(Path::new(RUN)).unwrap_or_else(|error| {
        notes.push(error.to_string());
        Filesystem::default()
    });
    let last = Check::read(&Path::new(DATA).join("imgs")).unwrap_or_else(|error| {
        notes.push(error.to_string());
        None
    });
    let boot = machine::boot_id().unwrap_or_default();
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = mounts::device_at(&mountinfo, DATA).map(|device| Mounted {
        writable: mounts::is_writable(&mountinfo, DATA),
        errors: errors(device),
    });
    // Written by whoever checked it (`machine`), a line each.
    notes.extend(fs::read_to_string(BOOT_CHECK).unwrap_or_default().lines().map(str::to_owned));
    let disk = judge(found, last, mounted, &boot);
    let mirror = disks::found().ok().and_then(|found| found.array).map(|(_, state)| mirror(&state));
    Disk { mirror, notes: [disk.notes, notes].concat(), ..disk }
}

fn mirror(state: &mirror::array::State) -> Mirror {
    let mut told = Mirror {
        whole: Vec::new(),
        rebuilt: Vec::new(),
        failed: Vec::new(),
        wanted: state.wanted,
        percent: state.rebuilt(),
    };
    for member in &state.members {
        let list = match (member.in_sync, member.faulty) {
            (_, true) => &mut told.failed,
            (true, _) => &mut told.whole,
            _ => &mut told.rebuilt,
        };
        list.push(disks::disk_of(&member.name));
    }
    told
}

/// The data filesystem as it is now.
struct Mounted {
    writable: bool,
    /// Errors that the kernel has met since the last check.
    errors: u64,
}

fn judge(found: Filesystem, last: Option<Check>, now: Option<Mounted>, boot: &str) -> Disk {
    let mut lost = Vec::new();
    let mut notes = Vec::new();
    if let Some(why) = &found.read_only {
        lost.push(format!(
            "the data filesystem cannot be written, all state is in memory until the next boot: {why}"
        ));
    }
    for state in &found.in_memory {
        let (path, why) = (&state.path, &state.why);
        lost.push(format!("{path} is in memory until the next boot: {why}"));
    }
    if let Some(now) = now {
        if !now.writable && found.read_only.is_none() {
            lost.push("the kernel has made the data filesystem read-only: it met an error".into());
        }
        if now.errors > 0 {
            let errors = now.errors;
            notes.push(format!(
                "the kernel met {errors} errors in the data filesystem: the next boot checks it"
            ));
        }
    }
    // This boot's, which a disk that cannot be written does not have, or that of an earlier one.
    let check = found.check.or(last).map(|check| DiskCheck {
        now: check.boot == boot,
        asked: check.asked,
        outcome: words(check.outcome).to_owned(),
        seconds: check.seconds,
        lines: check.lines,
        more: check.more,
    });
    Disk { check, lost, notes, ..Disk::default() }
}

fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Clean => "nothing was wrong",
        Outcome::Repaired => "what was wrong is repaired",
        Outcome::Failed => "not everything could be repaired",
        Outcome::Stopped => "it took too long and was stopped",
        Outcome::Absent => "e2fsck could not be started",
    }
}

/// How many errors the kernel counts of the ext4 on the device `major:minor`
/// (Documentation/ABI/testing/sysfs-fs-ext4).
fn errors(device: &str) -> u64 {
    let name = fs::canonicalize(Path::new("/sys/dev/block").join(device)).ok();
    let name = name.as_deref().and_then(Path::file_name);
    let count = name
        .map(|name| fs::read_to_string(Path::new("/sys/fs/ext4").join(name).join("errors_count")));
    count.and_then(Result::ok).and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use generation::filesystem::InMemory;

    use super::*;

    fn check(boot: &str) -> Check {
        let asked = "the kernel met an error in it".to_owned();
        let (outcome, lines) = (Outcome::Repaired, vec!["Inode 12 was part of a list".to_owned()]);
        Check { boot: boot.to_owned(), asked, outcome, seconds: 2, lines, more: 0 }
    }

    fn well() -> Option<Mounted> {
        Some(Mounted { writable: true, errors: 0 })
    }

    #[test]
    fn of_a_disk_that_is_well_there_is_nothing_to_say() {
        assert_eq!(judge(Filesystem::default(), None, well(), "b"), Disk::default());
    }

    #[test]
    fn a_check_is_told_with_whether_it_was_at_this_boot() {
        let found = Filesystem { check: Some(check("b")), ..Filesystem::default() };
        let disk = judge(found, Some(check("b")), well(), "b");
        assert!(disk.check.unwrap().now && disk.lost.is_empty());
        let disk = judge(Filesystem::default(), Some(check("a")), well(), "b");
        assert!(!disk.check.unwrap().now);
    }

    #[test]
    fn what_the_server_goes_without_is_said() {
        let found = Filesystem {
            read_only: Some("it was checked, and it took too long".into()),
            in_memory: vec![InMemory { path: "/var/mail".into(), why: "damaged".into() }],
            ..Filesystem::default()
        };
        let disk = judge(found, None, Some(Mounted { writable: false, errors: 0 }), "b");
        assert_eq!(disk.lost.len(), 2, "{:?}", disk.lost);
        assert!(disk.lost[0].contains("all state is in memory"), "{:?}", disk.lost);
        assert!(disk.lost[1].starts_with("/var/mail is in memory"), "{:?}", disk.lost);
    }

    #[test]
    fn what_the_kernel_met_since_the_boot_is_said_too() {
        let now = Some(Mounted { writable: false, errors: 3 });
        let disk = judge(Filesystem::default(), None, now, "b");
        assert!(disk.lost[0].contains("made the data filesystem read-only"), "{:?}", disk.lost);
        assert!(disk.notes[0].contains("3 errors"), "{:?}", disk.notes);
    }
}
