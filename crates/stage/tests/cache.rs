//! A stage runs once a key, whole or not at all.

#![cfg(test)]

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use stage::{Cache, Inputs};

fn inputs(value: &str) -> Inputs {
    Inputs::new("layer", 1).text("value", value)
}

#[test]
fn the_same_inputs_run_once_and_others_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let runs = Cell::new(0);
    let run = |value: &str| {
        cache
            .run("mail", &inputs(value), |out| {
                runs.set(runs.get() + 1);
                fs::write(out.join("file"), value)
            })
            .unwrap()
    };
    assert!(!run("a").hit);
    assert!(run("a").hit);
    let done = run("b");
    assert!(!done.hit);
    assert_eq!(fs::read_to_string(done.dir.join("file")).unwrap(), "b");
    assert_eq!(runs.get(), 2);
    let why: Vec<_> = cache.timings().into_iter().map(|timing| timing.why.join(";")).collect();
    assert_eq!(why, ["it was never made here", "", "value: a became b"]);
}

#[test]
fn a_failed_or_killed_run_leaves_nothing_that_the_next_one_trusts() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let failed = cache.run("mail", &inputs("a"), |out| {
        fs::write(out.join("half"), "done")?;
        Err(io::Error::other("disk on fire"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "could not make the layer of `mail`");
    // What a killed process leaves behind: a folder in the making.
    let part = folder.path().join(format!("stages/layer/{}.part/out", inputs("a").key().hex()));
    fs::create_dir_all(&part).unwrap();
    fs::write(part.join("half"), "done").unwrap();
    let done = cache.run("mail", &inputs("a"), |out| fs::write(out.join("whole"), "")).unwrap();
    assert!(!done.hit);
    assert!(!done.dir.join("half").exists());
}

#[test]
fn two_at_once_share_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let runs = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let done = Cache::new(folder.path()).run("mail", &inputs("a"), |out| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    fs::write(out.join("file"), "whole")
                });
                let file = done.unwrap().dir.join("file");
                assert_eq!(fs::read_to_string(file).unwrap(), "whole");
            });
        }
    });
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[test]
fn results_not_used_lately_are_collected_but_never_one_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let run = |value: &str| {
        cache.run("mail", &inputs(value), |out| fs::write(out.join("f"), "")).unwrap()
    };
    let in_use = run("0");
    let old = run("1").dir;
    wait_until_unused(&old);
    for value in ["2", "3", "4"] {
        run(value);
    }
    assert!(in_use.dir.exists());
    assert!(!old.exists());
    assert!(run("2").hit, "the last three are kept");
}

#[test]
fn only_the_newest_result_of_a_subject_that_there_is_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let run = |subject: &str, value: &str| {
        let done = cache.run(subject, &inputs(value), |out| fs::write(out.join("f"), "")).unwrap();
        let dir = done.dir.clone();
        drop(done);
        wait_until_unused(&dir);
        dir
    };
    let [older, newest, gone] = [run("mail", "1"), run("mail", "2"), run("old-server", "3")];
    let stage = newest.parent().unwrap().parent().unwrap();
    let killed = stage.join("00").with_extension("part");
    fs::create_dir(&killed).unwrap();
    let held = cache.inventory(|_, subject| subject == "mail").unwrap();
    let needed: Vec<_> = held.iter().filter(|it| it.needed).map(|it| it.path.join("out")).collect();
    assert_eq!((held.len(), needed), (4, vec![newest.clone()]));

    let in_use = cache.run("mail", &inputs("1"), |_| Ok::<_, std::io::Error>(())).unwrap();
    for unneeded in held.iter().filter(|it| !it.needed) {
        let is_used = unneeded.path.join("out") == older;
        assert_eq!(cache.remove(unneeded).unwrap(), !is_used);
    }
    assert!(in_use.dir.exists() && newest.exists() && !gone.exists() && !killed.exists());
}

/// A fresh result is in use until it is synced, in the background.
fn wait_until_unused(out: &Path) {
    let lock = fs::File::open(out.parent().unwrap().with_extension("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
}
