use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use powercut::{Choosing, Plan, State};

use crate::recorder::{FUA, Recorded, Written, sectors};

/// The first byte of each of the first sectors.
fn look(state: &State, count: u64) -> Vec<u8> {
    let mut byte = [0];
    let mut at = |sector: u64| {
        assert_eq!(state.read_at(sector * 512, &mut byte).unwrap(), 1);
        byte[0]
    };
    (0..count).map(&mut at).collect()
}

fn states(recorded: &Recorded, plan: Plan) -> Vec<State> {
    recorded.replay(plan).states().map(Result::unwrap).collect()
}

#[test]
fn what_was_flushed_is_there_and_what_was_not_may_be() {
    let mut log = Written::default();
    log.write(0, &sectors(1, 1)).write(1, &sectors(2, 1)).flush().write(2, &sectors(3, 1));
    let recorded = Recorded::new(&sectors(0, 4), &log);
    let seen: Vec<_> =
        states(&recorded, Plan::default()).iter().map(|state| look(state, 3)).collect();
    assert_eq!(seen[..4], [[0, 0, 0], [1, 0, 0], [0, 2, 0], [1, 2, 0]]);
    assert_eq!(seen[4..], [[1, 2, 0], [1, 2, 3]]);
}

#[test]
fn the_end_is_every_write_in_its_order() {
    let mut log = Written::default();
    log.write(0, &sectors(1, 4)).write(1, &sectors(2, 2)).flush().write(2, &sectors(3, 1));
    let recorded = Recorded::new(&sectors(9, 6), &log);
    let end = recorded.replay(Plan::default()).end().unwrap();
    assert_eq!(look(&end, 6), [1, 2, 3, 1, 9, 9]);
}

#[test]
fn a_write_that_was_forced_out_needs_no_flush() {
    let mut log = Written::default();
    log.write(0, &sectors(1, 1)).entry(1, 1, FUA, &sectors(2, 1)).write(2, &sectors(3, 1));
    let recorded = Recorded::new(&sectors(0, 3), &log);
    for state in states(&recorded, Plan::default()) {
        let seen = look(&state, 3);
        assert!(seen[2] == 0 || seen[1] == 2, "{seen:?} at {}", state.cut());
    }
}

#[test]
fn a_watched_write_may_be_half_done_and_says_so() {
    let mut log = Written::default();
    log.write(1, &sectors(1, 2)).flush();
    let recorded = Recorded::new(&sectors(0, 4), &log);
    let plan = Plan { watch: 1024..1536, ..Plan::default() };
    let states = states(&recorded, plan);
    let torn = states.iter().find(|state| state.cut().choosing == Choosing::Torn).unwrap();
    assert_eq!(look(torn, 4), [0, 1, 0, 0]);
    assert_eq!(
        torn.cut().to_string(),
        "cut 2 (torn): all before entry 0, and 1 of 1 writes since: 0[..512]"
    );
    // Nothing but the flush is left at the end.
    assert_eq!(look(states.last().unwrap(), 4), [0, 1, 1, 0]);
}

#[test]
fn what_came_before_the_test_is_not_cut() {
    let mut log = Written::default();
    for number in 0..5 {
        log.write(number, &sectors(number as u8 + 1, 1)).flush();
    }
    let recorded = Recorded::new(&sectors(0, 5), &log);
    let states = states(&recorded, Plan { from: 8, ..Plan::default() });
    let seen: Vec<_> = states.iter().map(|state| look(state, 5)).collect();
    assert_eq!(seen, [[1, 2, 3, 4, 0], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]);
}

#[test]
fn states_with_one_fingerprint_read_the_same() {
    let mut log = Written::default();
    log.write(0, &sectors(1, 2)).write(4, &sectors(2, 3)).write(1, &sectors(3, 1)).flush();
    log.write(5, &sectors(4, 2));
    let recorded = Recorded::new(&sectors(0, 8), &log);
    let plan = Plan { watch: 0..4096, ..Plan::default() };
    let mut seen = BTreeSet::new();
    for state in states(&recorded, plan) {
        for range in [0..4, 4..8] {
            let mut bytes = vec![0; 2048];
            state.read_at(range.start * 512, &mut bytes).unwrap();
            let name = state.fingerprint(range.start * 512..range.end * 512).hex();
            seen.insert((range.start, name, bytes));
        }
    }
    let names: BTreeSet<_> = seen.iter().map(|(start, name, _)| (start, name)).collect();
    assert_eq!(names.len(), seen.len());
}

#[test]
fn a_state_as_a_file_is_the_same_bytes_and_sparse() {
    let mut log = Written::default();
    log.write(8, &sectors(1, 4)).flush().write(10, &sectors(2, 4));
    let recorded = Recorded::new(&sectors(7, 1), &log);
    // An image with a hole, on a disk that is larger.
    let base = fs::File::options().write(true).open(recorded.base()).unwrap();
    base.set_len(1 << 22).unwrap();
    let size = 1 << 23;
    let replay =
        powercut::Replay::open(&recorded.base(), Some(size), &recorded.log(), Plan::default());
    let copy = recorded.path().join("copy");
    for state in replay.unwrap().states().map(Result::unwrap) {
        let mut bytes = vec![1; size as usize];
        assert_eq!(state.read_at(0, &mut bytes).unwrap(), bytes.len());
        state.materialize(&copy).unwrap();
        assert!(fs::read(&copy).unwrap() == bytes, "{}", state.cut());
        assert!(fs::metadata(&copy).unwrap().blocks() < 200);
        state.materialize_range(4096..8192, &copy).unwrap();
        assert!(fs::read(&copy).unwrap() == bytes[4096..8192]);
    }
}

#[test]
fn a_write_behind_the_end_of_the_disk_is_told() {
    let recorded = Recorded::new(&sectors(0, 2), Written::default().write(1, &sectors(1, 2)));
    let error = recorded.replay(Plan::default()).end().unwrap_err().to_string();
    assert!(error.contains("entry 0"), "{error}");
}
