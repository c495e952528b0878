//! The boot partition's filesystem, checked as it lies on the disk: FAT32 (Microsoft, FAT: General
//! Overview of On-Disk Format, 1.03).
//!
//! A power cut leaves the mark "not unmounted" and at worst clusters that belong to nothing, for
//! what is new has a new name (`boot::Partition`). These two are harmless; the mark is taken away,
//! and copies of the FAT are made equal, when everything else is as it has to be. What is damaged
//! is said and left alone: which file is worth more is not for a program to decide.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// No boot partition of ours has more (bytes of one FAT).
const MAX_FAT: u64 = 64 << 20;
/// The most files that are looked at, and problems that are named.
const MAX_FILES: usize = 100_000;
const MAX_PROBLEMS: usize = 20;

/// The first cluster, the mark of a bad one, the smallest mark of a chain's end.
const FIRST: u32 = 2;
const BAD: u32 = 0x0fff_fff7;
const END: u32 = 0x0fff_fff8;
/// The upper four bits of an entry are not its own.
const ENTRY: u32 = 0x0fff_ffff;

/// In the boot sector: bit 0 while it is mounted (Linux, and Windows).
const STATE: usize = 65;
/// In the second entry of the FAT: set when it was unmounted, and without errors of the disk.
const CLEAN: u32 = 0x0800_0000;
const NO_ERRORS: u32 = 0x0400_0000;

const DIRECTORY: u8 = 0x10;
const VOLUME: u8 = 0x08;
const LONG_NAME: u8 = 0x0f;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What is damaged, a line each.
    pub problems: Vec<String>,
    /// Clusters that belong to nothing.
    pub unused: u32,
    /// Whether the copies of the FAT differ.
    pub copies_differ: bool,
    /// Whether it was not unmounted.
    pub dirty: bool,
}

/// Where everything is, in bytes.
struct Layout {
    cluster: u64,
    fat_at: u64,
    fat: u64,
    copies: u64,
    data_at: u64,
    /// One more than the last.
    clusters: u32,
    root: u32,
}

impl Layout {
    fn read(sector: &[u8; 512]) -> Result<Self, &'static str> {
        let short = |at: usize| u64::from(u16::from_le_bytes([sector[at], sector[at + 1]]));
        let long = |at: usize| short(at) | short(at + 2) << 16;
        if sector[510..] != [0x55, 0xaa] {
            return Err("its first sector is no boot sector");
        }
        let (bytes, per_cluster) = (short(11), u64::from(sector[13]));
        let (reserved, copies) = (short(14), u64::from(sector[16]));
        let (fat, total, root) = (long(36) * bytes, long(32), long(44));
        let plain = matches!(bytes, 512 | 1024 | 2048 | 4096)
            && per_cluster.is_power_of_two()
            && reserved > 0
            && matches!(copies, 1 | 2)
            && short(17) == 0
            && short(22) == 0
            && (1..=MAX_FAT).contains(&fat);
        if !plain {
            return Err("its first sector is not that of a FAT32");
        }
        let before = reserved + copies * long(36);
        let Some(data) = total.checked_sub(before) else {
            return Err("it is shorter than its own tables");
        };
        let clusters = data / per_cluster + u64::from(FIRST);
        let clusters = u32::try_from(clusters.min(fat / 4)).unwrap_or(BAD);
        Ok(Self {
            cluster: per_cluster * bytes,
            fat_at: reserved * bytes,
            fat,
            copies,
            data_at: before * bytes,
            clusters,
            root: u32::try_from(root).unwrap_or(0),
        })
    }
}

/// Checks the FAT32 on `device`, which is not mounted.
///
/// # Errors
/// It cannot be read.
pub fn check(device: &File) -> io::Result<Found> {
    let mut sector = [0; 512];
    device.read_exact_at(&mut sector, 0)?;
    let layout = match Layout::read(&sector) {
        Ok(layout) => layout,
        Err(why) => return Ok(Found { problems: vec![why.into()], ..Found::default() }),
    };
    let first = fat(device, &layout, 0)?;
    let copies_differ = layout.copies == 2 && fat(device, &layout, 1)? != first;
    let entries: Vec<u32> = first
        .chunks_exact(4)
        .take(layout.clusters as usize)
        .map(|entry| u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]))
        .collect();
    let second = entries.get(1).copied().unwrap_or(0);
    let dirty = sector[STATE] & 1 != 0 || second & CLEAN == 0 || second & NO_ERRORS == 0;
    let taken = vec![false; entries.len()];
    let mut walk = Walk { device, layout: &layout, entries, taken, problems: Vec::new() };
    walk.all()?;
    let unused = walk.unused();
    Ok(Found { problems: walk.problems, unused, copies_differ, dirty })
}

/// Does what is safe to do about `found`, as [`check`] has just found it: what was done, a line
/// each.
///
/// # Errors
/// It cannot be written.
pub fn repair(device: &File, found: &Found) -> io::Result<Vec<String>> {
    let mut done = Vec::new();
    if !found.problems.is_empty() {
        return Ok(done);
    }
    let mut sector = [0; 512];
    device.read_exact_at(&mut sector, 0)?;
    let Ok(layout) = Layout::read(&sector) else { return Ok(done) };
    if found.copies_differ {
        let first = fat(device, &layout, 0)?;
        device.write_all_at(&first, layout.fat_at + layout.fat)?;
        done.push("the second copy of its FAT was made like the first".to_owned());
    }
    if found.dirty {
        let mut entry = [0; 4];
        device.read_exact_at(&mut entry, layout.fat_at + 4)?;
        let entry = (u32::from_le_bytes(entry) | CLEAN | NO_ERRORS).to_le_bytes();
        for copy in 0..layout.copies {
            device.write_all_at(&entry, layout.fat_at + copy * layout.fat + 4)?;
        }
        device.sync_all()?;
        sector[STATE] &= !1;
        device.write_all_at(&sector, 0)?;
        done.push("it was not unmounted; it is whole, and the mark was taken away".to_owned());
    }
    device.sync_all()?;
    Ok(done)
}

fn fat(device: &File, layout: &Layout, copy: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(layout.fat).unwrap_or(0)];
    device.read_exact_at(&mut bytes, layout.fat_at + copy * layout.fat)?;
    Ok(bytes)
}

struct Walk<'a> {
    device: &'a File,
    layout: &'a Layout,
    entries: Vec<u32>,
    /// Clusters that belong to something.
    taken: Vec<bool>,
    problems: Vec<String>,
}

impl Walk<'_> {
    fn all(&mut self) -> io::Result<()> {
        let root = self.layout.root;
        let mut directories = vec![(String::new(), self.chain("its root", root))];
        let mut files = 0;
        while let Some((path, clusters)) = directories.pop() {
            for entry in self.directory(&clusters)? {
                files += 1;
                if files > MAX_FILES {
                    self.problem("it has more files than a boot partition can have".into());
                    return Ok(());
                }
                let path = format!("{path}/{}", entry.name);
                let chain = match entry.cluster {
                    0 => Vec::new(),
                    first => self.chain(&path, first),
                };
                if entry.directory {
                    directories.push((path, chain));
                    continue;
                }
                let wanted = u64::from(entry.size).div_ceil(self.layout.cluster);
                if chain.len() as u64 != wanted {
                    let (size, has) = (entry.size, chain.len());
                    self.problem(format!("{path} has {size} bytes in {has} clusters"));
                }
            }
        }
        Ok(())
    }

    /// The clusters of a chain. They are taken from now on.
    fn chain(&mut self, path: &str, first: u32) -> Vec<u32> {
        let mut chain = Vec::new();
        let mut next = first;
        while next < END {
            let Some(taken) = self.taken.get_mut(next as usize).filter(|_| next >= FIRST) else {
                self.problem(format!("{path} goes on outside of the disk"));
                break;
            };
            if std::mem::replace(taken, true) {
                self.problem(format!("{path} shares clusters with something else"));
                break;
            }
            chain.push(next);
            next = self.entries[next as usize] & ENTRY;
        }
        chain
    }

    fn directory(&self, clusters: &[u32]) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        let mut bytes = vec![0; usize::try_from(self.layout.cluster).unwrap_or(0)];
        for cluster in clusters {
            let at = u64::from(cluster - FIRST) * self.layout.cluster;
            self.device.read_exact_at(&mut bytes, self.layout.data_at + at)?;
            for entry in bytes.chunks_exact(32) {
                match entry[0] {
                    0 => return Ok(found),
                    0xe5 | b'.' => continue,
                    _ if entry[11] & LONG_NAME == LONG_NAME || entry[11] & VOLUME != 0 => continue,
                    _ => found.push(Entry::read(entry)),
                }
            }
        }
        Ok(found)
    }

    fn unused(&self) -> u32 {
        let entries = self.entries.iter().zip(&self.taken).skip(FIRST as usize);
        let unused =
            entries.filter(|(entry, taken)| !**taken && !matches!(**entry & ENTRY, 0 | BAD));
        u32::try_from(unused.count()).unwrap_or(u32::MAX)
    }

    fn problem(&mut self, what: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(what);
        }
    }
}

/// A file or directory.
struct Entry {
    /// Of eight and three characters.
    name: String,
    directory: bool,
    cluster: u32,
    size: u32,
}

impl Entry {
    fn read(entry: &[u8]) -> Self {
        let short = |at: usize| u32::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
        let part =
            |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii()).escape_debug().to_string();
        let (name, extension) = (part(&entry[..8]), part(&entry[8..11]));
        let name = if extension.is_empty() { name } else { format!("{name}.{extension}") };
        Self {
            name,
            directory: entry[11] & DIRECTORY != 0,
            cluster: short(20) << 16 | short(26),
            size: short(28) | short(30) << 16,
        }
    }
}

#[cfg(test)]
mod tests;
