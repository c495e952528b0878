//! Content of the image that nobody sees: a directory of state that an earlier generation began is
//! mounted over it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use generation::State;
use rustix::fs::{CWD, Dir, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{OpenTreeFlags, open_tree};
use transfer::report::Hidden;

/// The root as the image has it, without what is mounted in it.
pub(crate) fn image() -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(CWD, "/", flags)?)
}

/// The names at the top of each directory of `declared` that `image` has and the state under `home`
/// lacks. What cannot be looked at is left out: this is a hint and no more.
pub(crate) fn hidden(image: &OwnedFd, home: &Path, declared: &[State]) -> Vec<Hidden> {
    let found = declared.iter().filter(|state| state.seed).filter_map(|state| {
        let kept = names(&home.join(&state.at)).ok()?;
        let names: BTreeSet<_> = laid(image, &state.path).ok()?;
        let names: Vec<_> = names.difference(&kept).cloned().collect();
        (!names.is_empty()).then(|| Hidden { path: state.path.clone(), names })
    });
    found.collect()
}

fn names(directory: &Path) -> io::Result<BTreeSet<String>> {
    let name = |entry: io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    fs::read_dir(directory)?.map(name).collect()
}

fn laid(image: &OwnedFd, path: &str) -> io::Result<BTreeSet<String>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat2(image, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(&directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !matches!(name.as_str(), "." | "..") {
            names.insert(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_the_image_has_are_hidden_by_older_state() {
        let (image, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for path in ["srv/html/old", "srv/html/new", "srv/empty", "srv/chroots/README"] {
            fs::create_dir_all(image.path().join(path)).unwrap();
        }
        std::os::unix::fs::symlink("/srv/html", image.path().join("www")).unwrap();
        fs::write(image.path().join("srv/file"), "").unwrap();
        for path in ["html/old", "html/mine", "empty", "chroots"] {
            fs::create_dir_all(home.path().join(path)).unwrap();
        }
        let declared = [
            State::new("/www", "html"),
            State::new("/srv/empty", "empty"),
            State::new("/srv/file", "file"),
            State { seed: false, ..State::new("/srv/chroots", "chroots") },
        ];
        let root = OwnedFd::from(fs::File::open(image.path()).unwrap());
        let found = hidden(&root, home.path(), &declared);
        assert_eq!(found, [Hidden { path: "/www".into(), names: vec!["new".into()] }]);
    }
}
