//! Any log, against a model that copies the disk.

use powercut::{Part, Plan};
use proptest::prelude::*;

use crate::recorder::{FUA, Recorded, SECTOR, Written, sectors};

const SECTORS: usize = 24;

#[derive(Clone, Debug)]
enum Step {
    Write { sector: usize, count: usize, forced: bool },
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..SECTORS - 4, 1usize..5, prop::bool::weighted(0.1))
        .prop_map(|(sector, count, forced)| Step::Write { sector, count, forced });
    prop_oneof![6 => write, 1 => Just(Step::Flush)]
}

/// Writes a part of step `number` to the model.
fn write(disk: &mut [u8], number: usize, step: &Step, part: Part) {
    let Step::Write { sector, count, .. } = step else { return };
    let all = sector * SECTOR..(sector + count) * SECTOR;
    let range = match part {
        Part::Whole => all,
        Part::Head(bytes) => all.start..all.start + bytes as usize,
        Part::Tail(bytes) => all.start + bytes as usize..all.end,
    };
    disk[range].fill(number as u8 + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_state_is_what_its_cut_says(
        steps in prop::collection::vec(step(), 1..30),
        seed in any::<u64>(),
    ) {
        let mut log = Written::default();
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Flush => log.flush(),
                Step::Write { sector, count, forced } => {
                    let flags = if *forced { FUA } else { 0 };
                    let data = sectors(number as u8 + 1, *count);
                    log.entry(*sector as u64, *count as u64, flags, &data)
                }
            };
        }
        let recorded = Recorded::new(&sectors(0, SECTORS), &log);
        let watch = 0..(SECTORS * SECTOR / 2) as u64;
        let replay = recorded.replay(Plan { seed, watch, ..Plan::default() });
        let mut last = None;
        for (number, state) in replay.states().enumerate() {
            let state = state.unwrap();
            let cut = state.cut();
            prop_assert_eq!(cut.number, number as u64);
            // A flush ends the window: nothing behind the next one is kept.
            let begin = cut.durable as usize;
            let flush = steps[begin..].iter().position(|step| matches!(step, Step::Flush));
            let end = flush.map_or(steps.len(), |at| begin + at);
            prop_assert!(cut.kept.iter().all(|kept| (begin..end).contains(&(kept.entry as usize))));

            let mut model = vec![0; SECTORS * SECTOR];
            for (number, step) in steps[..begin].iter().enumerate() {
                write(&mut model, number, step, Part::Whole);
            }
            for kept in &cut.kept {
                let number = kept.entry as usize;
                write(&mut model, number, &steps[number], kept.part);
            }
            let mut found = vec![0xff; SECTORS * SECTOR];
            state.read_at(0, &mut found).unwrap();
            prop_assert!(found == model, "{}", cut);
            last = Some(found);
        }
        let mut end = vec![0xff; SECTORS * SECTOR];
        replay.end().unwrap().read_at(0, &mut end).unwrap();
        // Nothing is left open by a log that ends in a flush.
        if matches!(steps.last(), Some(Step::Flush)) {
            prop_assert_eq!(last, Some(end));
        }
    }
}
