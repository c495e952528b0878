use std::fs;

use powercut::{Action, Entry, Error, Log};

use crate::recorder::{DISCARD, FLUSH, FUA, MARK, Recorded, SECTOR, Written, sectors};

fn entries(bytes: &[u8]) -> Vec<Result<Entry, Error>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, bytes).unwrap();
    Log::open(&path).unwrap().entries().collect()
}

fn whole(bytes: &[u8]) -> Vec<Entry> {
    entries(bytes).into_iter().map(Result::unwrap).collect()
}

fn written(at: u64, length: u64, data: u64, durable: bool) -> Action {
    Action::Write { at, length, data, durable }
}

#[test]
fn a_log_says_what_was_done_and_where_its_data_stands() {
    let mut log = Written::default();
    log.write(7, &sectors(1, 2)).flush().entry(0, 0, MARK, b"here");
    log.entry(3, 4, DISCARD, &[]).entry(9, 1, FUA, &sectors(2, 1));
    let found: Vec<_> =
        whole(&log.file(5)).into_iter().map(|entry| (entry.number, entry.action)).collect();
    let expected = [
        (0, written(7 * 512, 1024, 1024, false)),
        (1, Action::Flush),
        (3, Action::Discard { at: 3 * 512, length: 4 * 512 }),
        (4, written(9 * 512, 512, (1 + 3 + 1 + 1 + 1 + 1) * 512, true)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_write_that_flushes_first_is_both() {
    let mut log = Written::default();
    log.entry(1, 1, FLUSH | FUA, &sectors(1, 1));
    let expected = [
        Entry { number: 0, action: Action::Flush },
        Entry { number: 0, action: written(512, 512, 1024, true) },
    ];
    assert_eq!(whole(&log.file(1)), expected);
}

#[test]
fn what_a_killed_machine_did_not_finish_is_not_there() {
    let mut log = Written::default();
    log.write(1, &sectors(1, 1)).write(2, &sectors(2, 4));
    let file = log.file(2);
    // Cut off in the data, in the head, or counted and a hole.
    for length in [file.len() - 1, 3 * SECTOR + 5] {
        assert_eq!(whole(&file[..length]).len(), 1, "{length}");
    }
    let mut holed = file.clone();
    holed[3 * SECTOR..].fill(0);
    assert_eq!(whole(&holed).len(), 1);
    // Not counted yet.
    assert_eq!(whole(&log.file(1)).len(), 1);
}

#[test]
fn nonsense_is_told() {
    let mut log = Written::default();
    log.entry(0, 1, 1 << 20, &sectors(0, 1));
    let error = entries(&log.file(1)).pop().unwrap().unwrap_err().to_string();
    assert!(error.contains("entry 0") && error.contains("flags"), "{error}");

    let mut log = Written::default();
    log.entry(u64::MAX / 2, 2, 0, &sectors(0, 2));
    assert!(entries(&log.file(1)).pop().unwrap().is_err());

    let recorded = Recorded::new(&[], &Written::default());
    for bytes in [vec![], vec![0; 512], b"QFI\xfb".repeat(200)] {
        fs::write(recorded.log(), bytes).unwrap();
        assert!(matches!(Log::open(&recorded.log()), Err(Error::NoLog { .. })));
    }
}

#[test]
fn the_position_is_that_of_a_machine_that_still_runs() {
    let recorded = Recorded::new(&[], Written::default().write(1, &sectors(1, 1)));
    assert_eq!(Log::position(&recorded.log()).unwrap(), 1);
    // Written and not counted yet, or counted and not written yet.
    let log = Written::default().write(1, &sectors(1, 1)).flush().clone();
    for (counted, position) in [(1, 2), (2, 2), (3, 3)] {
        fs::write(recorded.log(), log.file(counted)).unwrap();
        assert_eq!(Log::position(&recorded.log()).unwrap(), position);
    }
    fs::write(recorded.log(), []).unwrap();
    assert_eq!(Log::position(&recorded.log()).unwrap(), 0);
}
