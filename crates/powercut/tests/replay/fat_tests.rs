//! A FAT in a file without partitions: entries made, renamed, filled with garbage.

use std::io::{Read, Write};

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use powercut::{BootView, Plan, State};

use crate::recorder::{Recorded, Recorder};

const SIZE: usize = 40 << 20;
const OLD: &str = "loader/entries/heirloom-1.conf";
const NEW: &str = "loader/entries/heirloom-2+1.conf";

/// A FAT32 with an entry.
fn formatted() -> Vec<u8> {
    let mut recorder = Recorder::new(vec![0; SIZE]);
    let options = FormatVolumeOptions::new().fat_type(FatType::Fat32).bytes_per_cluster(512);
    format_volume(&mut recorder, options).unwrap();
    {
        let filesystem = FileSystem::new(recorder.clone(), FsOptions::new()).unwrap();
        let root = filesystem.root_dir();
        root.create_dir("loader").unwrap().create_dir("entries").unwrap();
        root.create_file(OLD).unwrap().write_all(text(1).as_bytes()).unwrap();
    }
    recorder.disk()
}

fn text(number: u64) -> String {
    format!("title generation {number}\n").repeat(200)
}

/// What `change` does to the FAT, recorded.
fn recorded(change: impl FnOnce(&Recorder, &FileSystem<Recorder>)) -> Recorded {
    let base = formatted();
    let recorder = Recorder::new(base.clone());
    change(&recorder, &FileSystem::new(recorder.clone(), FsOptions::new()).unwrap());
    Recorded::new(&base, &recorder.log())
}

fn views(recorded: &Recorded) -> Vec<(State, BootView)> {
    let plan = Plan { watch: 0..SIZE as u64, ..Plan::default() };
    let view = |state: State| {
        let view = BootView::open(&state, 0..SIZE as u64).unwrap();
        (state, view)
    };
    recorded.replay(plan).states().map(Result::unwrap).map(view).collect()
}

fn whole(view: &BootView, path: &str, number: u64) -> bool {
    view.text(path).is_some_and(|found| found == text(number))
}

#[test]
fn files_are_listed_and_read_by_their_long_names() {
    let recorded = recorded(|_, _| {});
    let replay = recorded.replay(Plan::default());
    let view = BootView::open(&replay.end().unwrap(), 0..SIZE as u64).unwrap();
    assert_eq!(view.files(), [OLD]);
    let listed = view.list("loader/entries").unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str()), (1, "heirloom-1.conf"));
    assert_eq!(listed[0].size, text(1).len() as u64);
    assert!(whole(&view, "LOADER/ENTRIES/HEIRLOOM-1.CONF", 1));
    assert_eq!(view.digest(OLD), Some(digest::Digest::of(text(1))));
    assert_eq!(
        (view.read("loader"), view.read("nothing"), view.list("nothing")),
        (None, None, None)
    );
}

#[test]
fn a_new_name_before_the_old_is_removed_always_leaves_one() {
    let recorded = recorded(|disk, filesystem| {
        let root = filesystem.root_dir();
        root.create_file(NEW).unwrap().write_all(text(2).as_bytes()).unwrap();
        disk.sync();
        root.remove(OLD).unwrap();
        disk.sync();
    });
    let views = views(&recorded);
    assert!(views.len() > 50, "{}", views.len());
    let (mut old, mut new) = (0, 0);
    for (state, view) in &views {
        old += usize::from(whole(view, OLD, 1));
        new += usize::from(whole(view, NEW, 2));
        assert!(whole(view, OLD, 1) || whole(view, NEW, 2), "{}", state.cut());
    }
    assert!(old > 20 && new > 5, "{old} states with the old one, {new} with the new one");
}

#[test]
fn removing_the_old_before_the_new_is_flushed_is_found_out() {
    let recorded = recorded(|disk, filesystem| {
        let root = filesystem.root_dir();
        root.create_file(NEW).unwrap().write_all(text(2).as_bytes()).unwrap();
        root.remove(OLD).unwrap();
        disk.sync();
    });
    let neither = |view: &BootView| !whole(view, OLD, 1) && !whole(view, NEW, 2);
    assert!(views(&recorded).iter().any(|(_, view)| neither(view)));
}

#[test]
fn a_rename_of_two_writes_may_lose_the_file() {
    let recorded = recorded(|disk, filesystem| {
        let directory = filesystem.root_dir().open_dir("loader").unwrap();
        let entries = directory.open_dir("entries").unwrap();
        entries.rename("heirloom-1.conf", &directory, "away.conf").unwrap();
        disk.sync();
    });
    let moved = "loader/away.conf";
    let names = |view: &BootView| [OLD, moved].map(|path| whole(view, path, 1));
    let seen: Vec<_> = views(&recorded).iter().map(|(_, view)| names(view)).collect();
    for expected in [[true, false], [true, true], [false, true], [false, false]] {
        assert!(seen.contains(&expected), "{expected:?} in {seen:?}");
    }
}

#[test]
fn garbage_is_nothing_and_no_panic() {
    let base = formatted();
    let clean = FileSystem::new(Recorder::new(base.clone()), FsOptions::new()).unwrap();
    let mut file = Vec::new();
    clean.root_dir().open_file(OLD).unwrap().read_to_end(&mut file).unwrap();
    let at = |bytes: &[u8]| base.windows(bytes.len()).position(|found| found == bytes).unwrap();
    // The directory that has the entry, and the first sector after the FATs: the root.
    let entries = at(b"HEIRLO~1CON") / 512 * 512;
    let root = at(b"LOADER     ") / 512 * 512;
    let mut seed = 1_u64;
    for sector in [entries, root, 32 * 512] {
        for _ in 0..40 {
            let mut disk = base.clone();
            for byte in &mut disk[sector..sector + 512] {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (seed >> 33) as u8;
            }
            let recorded = Recorded::new(&disk, Recorder::new(Vec::new()).log().flush());
            let state = recorded.replay(Plan::default()).end().unwrap();
            if let Ok(view) = BootView::open(&state, 0..SIZE as u64) {
                for path in view.files() {
                    let _ = view.read(&path);
                }
            }
        }
    }
}
