//! Room for a job's files: in memory when they fit, else on disk; gone with the job.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::{job, mounts};

/// Memory that is left to everything else.
const RESERVE: u64 = 512 << 20;

/// An empty directory for as long as the job runs.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    in_memory: bool,
}

impl Scratch {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a tmpfs.
    pub fn is_in_memory(&self) -> bool {
        self.in_memory
    }
}

/// Makes room for about `bytes` bytes of files. Only inside a job.
pub fn scratch(bytes: u64) -> Result<Scratch> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let room = job::own_scratch().ok_or_else(|| Error::OutsideJob { command: "scratch".into() })?;
    let path = room.path.join(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
    fs::create_dir(&path).map_err(|source| Error::Io {
        what: "create",
        path: path.clone(),
        source,
    })?;
    let memory = available_memory();
    let in_memory = room.memory && fits(bytes, memory);
    if in_memory {
        mounts::mount_tmpfs(&path, memory - RESERVE).map_err(|source| Error::Io {
            what: "mount a tmpfs on",
            path: path.clone(),
            source,
        })?;
    }
    Ok(Scratch { path, in_memory })
}

/// Whether files of `bytes` bytes fit into memory, with as much again for what programs need.
fn fits(bytes: u64, memory: u64) -> bool {
    bytes.saturating_mul(2).saturating_add(RESERVE) <= memory
}

/// Bytes that programs may still take without swapping: the machine's, and the control group's.
pub(crate) fn available_memory() -> u64 {
    let machine =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_available(&text)).unwrap_or(0);
    let group = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("0::/").map(PathBuf::from)))
        .and_then(|group| group_memory(Path::new("/sys/fs/cgroup"), &group));
    group.map_or(machine, |group| machine.min(group))
}

/// `MemAvailable` of proc_meminfo(5), in bytes.
fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What the tightest of a control group and its parents leaves (cgroup v2: memory.max,
/// memory.current); `None` without a limit.
fn group_memory(root: &Path, group: &Path) -> Option<u64> {
    let read = |directory: &Path, file: &str| {
        fs::read_to_string(directory.join(file)).ok()?.trim().parse::<u64>().ok()
    };
    root.join(group)
        .ancestors()
        .take_while(|directory| directory.starts_with(root))
        .filter_map(|directory| {
            let limit = read(directory, "memory.max")?;
            Some(limit.saturating_sub(read(directory, "memory.current").unwrap_or(0)))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_only_with_room_to_spare() {
        assert!(fits(400 << 20, 2 << 30));
        assert!(!fits(800 << 20, 2 << 30));
        assert!(!fits(u64::MAX, 2 << 30));
        assert!(!fits(0, 0));
    }

    #[test]
    fn the_tightest_control_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("user/build");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        assert_eq!(group_memory(root.path(), Path::new("user/build")), None);
        fs::write(root.path().join("user/memory.max"), "1000\n").unwrap();
        fs::write(root.path().join("user/memory.current"), "300\n").unwrap();
        assert_eq!(group_memory(root.path(), Path::new("user/build")), Some(700));
    }

    #[test]
    fn available_memory_is_read_in_kibibytes() {
        let text = "MemTotal:       8000 kB\nMemAvailable:   4000 kB\n";
        assert_eq!(mem_available(text), Some(4_096_000));
    }
}
