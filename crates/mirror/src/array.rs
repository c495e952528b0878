//! Arrays of the running kernel, by the files that it has for them in sysfs
//! (Documentation/admin-guide/md.rst).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The name of the array of the data partitions.
pub const NAME: &str = "md127";

/// The kernel's arrays.
#[derive(Clone, Debug)]
pub struct Arrays {
    sys: PathBuf,
}

/// What the kernel says of an array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The members by the kernel's names of their partitions, sorted.
    pub members: Vec<Member>,
    /// How many members it should have.
    pub wanted: usize,
    /// What is being done to make members equal: `recover` and `resync`; else `idle` or another.
    pub action: String,
    /// Sectors that are done, and all, while something is.
    pub done: Option<(u64, u64)>,
}

/// A member of a running array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The kernel's name of its partition.
    pub name: String,
    /// Whether it has all that the array has.
    pub in_sync: bool,
    /// Whether the kernel has given it up.
    pub faulty: bool,
}

impl Default for Arrays {
    fn default() -> Self {
        Self::at("/sys")
    }
}

impl Arrays {
    /// Those of the sysfs at `sys`.
    pub fn at(sys: impl Into<PathBuf>) -> Self {
        Self { sys: sys.into() }
    }

    fn file(&self, array: &str, name: &str) -> PathBuf {
        self.sys.join("block").join(array).join("md").join(name)
    }

    /// Starts the array [`NAME`] with the members of these device numbers (`254:2`). The kernel
    /// leaves out whoever is behind, and starts with one alone too.
    ///
    /// # Errors
    /// The kernel has no RAID-1, or does not take them.
    pub fn start(&self, members: &[String]) -> Result<()> {
        let started = self.try_start(members);
        if started.is_err() {
            // It holds its members else. That there is nothing to clear is no matter.
            let _ = put(&self.file(NAME, "array_state"), "clear");
        }
        started
    }

    fn try_start(&self, members: &[String]) -> Result<()> {
        let new = self.sys.join("module/md_mod/parameters/new_array");
        if !new.exists() {
            return Err(Error::NoRaid);
        }
        if !self.file(NAME, "array_state").exists() {
            put(&new, NAME)?;
        }
        put(&self.file(NAME, "metadata_version"), "1.0")?;
        for number in members {
            put(&self.file(NAME, "new_dev"), number)?;
        }
        put(&self.file(NAME, "array_state"), "active")
    }

    /// Gives the running array `array` a member, which is rebuilt from now on.
    ///
    /// # Errors
    /// The kernel does not take it.
    pub fn add(&self, array: &str, number: &str) -> Result<()> {
        put(&self.file(array, "new_dev"), number)?;
        match put(&self.file(array, "sync_action"), "recover") {
            // While something else is made equal: the kernel looks for new members when that is
            // over.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::ResourceBusy => Ok(()),
            done => done,
        }
    }

    /// Lets go of members that the kernel has given up.
    ///
    /// # Errors
    /// The kernel still needs one.
    pub fn forget_faulty(&self, array: &str) -> Result<()> {
        for member in self.state(array)?.into_iter().flat_map(|state| state.members) {
            if member.faulty {
                put(&self.file(array, &format!("dev-{}/state", member.name)), "remove")?;
            }
        }
        Ok(())
    }

    /// What becomes of `array`; nothing when there is no such array.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn state(&self, array: &str) -> Result<Option<State>> {
        let folder = self.file(array, "");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(Error::io("list", &folder))?,
        };
        let mut state = State::default();
        for entry in entries {
            let name = entry.map_err(Error::io("list", &folder))?.file_name();
            let Some(member) = name.to_str().and_then(|name| name.strip_prefix("dev-")) else {
                continue;
            };
            // One that is taken out meanwhile is none.
            let flags = get(&self.file(array, &format!("dev-{member}/state"))).unwrap_or_default();
            let has = |flag: &str| flags.split(',').any(|it| it == flag);
            let (in_sync, faulty) = (has("in_sync"), has("faulty"));
            state.members.push(Member { name: member.to_owned(), in_sync, faulty });
        }
        state.members.sort_by(|one, other| one.name.cmp(&other.name));
        // `2`, or `3 (2)` while it is being changed.
        let wanted = get(&self.file(array, "raid_disks"))?;
        state.wanted = wanted.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0);
        state.action = get(&self.file(array, "sync_action"))?;
        let done = get(&self.file(array, "sync_completed"))?;
        state.done = done.split_once(" / ").and_then(|(done, all)| {
            Some((done.parse().ok()?, all.parse().ok().filter(|all| *all > 0)?))
        });
        Ok(Some(state))
    }
}

impl State {
    /// How many of a hundred parts are rebuilt; nothing while nothing is.
    pub fn rebuilt(&self) -> Option<u64> {
        if self.action != "recover" {
            return None;
        }
        Some(self.done.map_or(0, |(done, all)| done.saturating_mul(100) / all))
    }

    /// Whether every place has a member, which has all data or is yet to be rebuilt.
    pub fn is_full(&self) -> bool {
        self.wanted > 0 && self.members.iter().filter(|it| !it.faulty).count() >= self.wanted
    }

    /// Whether all members have all that the array has.
    pub fn is_complete(&self) -> bool {
        self.wanted > 0 && self.members.iter().filter(|it| it.in_sync).count() >= self.wanted
    }
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::io("write", path))
}

fn get(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrays(files: &[(&str, &str)]) -> (tempfile::TempDir, Arrays) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join("block/md127/md").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        let arrays = Arrays::at(folder.path());
        (folder, arrays)
    }

    #[test]
    fn an_array_says_who_is_in_step_and_how_far_a_rebuild_is() {
        let (_folder, arrays) = arrays(&[
            ("raid_disks", "2"),
            ("sync_action", "recover"),
            ("sync_completed", "1000 / 4000"),
            ("dev-vdb2/state", "spare"),
            ("dev-vda2/state", "in_sync"),
        ]);
        let state = arrays.state(NAME).unwrap().unwrap();
        assert_eq!(state.rebuilt(), Some(25));
        assert!(!state.is_complete() && state.is_full());
        assert_eq!((state.members[0].name.as_str(), state.members[0].in_sync), ("vda2", true));
        assert!(!state.members[1].in_sync);
        assert_eq!(arrays.state("md0").unwrap(), None);
    }

    #[test]
    fn a_member_that_has_failed_leaves_its_place() {
        let (_folder, arrays) = arrays(&[
            ("raid_disks", "2"),
            ("sync_action", "idle"),
            ("sync_completed", "none"),
            ("dev-vdb2/state", "faulty"),
            ("dev-vda2/state", "in_sync"),
        ]);
        let state = arrays.state(NAME).unwrap().unwrap();
        assert!(!state.is_complete() && !state.is_full());
    }

    #[test]
    fn the_first_equalising_of_a_new_mirror_is_no_rebuild() {
        let (_folder, arrays) = arrays(&[
            ("raid_disks", "2"),
            ("sync_action", "resync"),
            ("sync_completed", "1000 / 4000"),
            ("dev-vdb2/state", "in_sync"),
            ("dev-vda2/state", "in_sync"),
        ]);
        let state = arrays.state(NAME).unwrap().unwrap();
        assert_eq!((state.rebuilt(), state.is_complete()), (None, true));
    }

    #[test]
    fn a_kernel_without_arrays_is_an_error() {
        let (_folder, arrays) = arrays(&[]);
        assert!(matches!(arrays.start(&["254:2".into()]), Err(Error::NoRaid)));
    }
}
