//! Which members of an array it is started with.
//!
//! The member with the highest count of events knows what became of the others. One that it does
//! not count any more, or that is behind, has missed writes: it is added again and rebuilt. But one
//! that for its part does not count the others ran without them, as each disk does that is
//! booted alone. Neither has all that was written, so neither is overwritten by itself:
//! they are arrays of their own from then on, and a person says which goes (`heirloom mirror add
//! --force`).

use crate::Superblock;

/// An array to be started: places in the list of members that was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// What it is started with; the first knows most.
    pub members: Vec<usize>,
    /// What is added and rebuilt then.
    pub stale: Vec<usize>,
    /// What was written without these.
    pub apart: Vec<usize>,
    /// How many members are not there.
    pub missing: usize,
}

/// How `members`, all of one array, can be started: once, or in several ways when they came apart,
/// the one with the latest writes first.
pub fn choose(members: &[Superblock]) -> Vec<Start> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| {
        let it = &members[*at];
        // One without a place, or half rebuilt, cannot speak for the array.
        let whole = it.counts(it.number) && !it.rebuilding;
        std::cmp::Reverse((whole, it.events, it.changed))
    });
    let mut starts: Vec<Start> = Vec::new();
    for at in order {
        let it = &members[at];
        let knows = |start: &&mut Start| {
            // Both have to say that the other is gone.
            start.members.iter().all(|first| {
                let first = &members[*first];
                first.counts(it.number) || it.counts(first.number) || !it.counts(it.number)
            })
        };
        match starts.iter_mut().find(knows) {
            None => starts.push(Start { members: vec![at], ..Start::default() }),
            Some(start) => {
                let first = &members[start.members[0]];
                // The kernel takes one that is behind by one event: the power failed between two
                // writes (drivers/md/md.c, `super_1_validate`).
                let current = first.counts(it.number) && it.events + 1 >= first.events;
                match current {
                    true => start.members.push(at),
                    false => start.stale.push(at),
                }
            }
        }
    }
    let all: Vec<usize> = (0..members.len()).collect();
    for start in &mut starts {
        let first = &members[start.members[0]];
        start.missing = (first.wanted as usize).saturating_sub(start.members.len());
        let here = |at: &usize| start.members.contains(at) || start.stale.contains(at);
        start.apart = all.iter().copied().filter(|at| !here(at)).collect();
    }
    starts
}

/// Whether a member that is not among `members` had a place when the array last ran: it may
/// appear yet.
pub fn is_awaited(members: &[Superblock]) -> bool {
    let latest = members.iter().max_by_key(|it| it.events);
    latest.is_some_and(|latest| {
        latest.placed().any(|number| members.iter().all(|it| it.number != number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::superblock::SPARE;

    fn member(number: u32, events: u64, placed: &[u32]) -> Superblock {
        let mut it = Superblock::new([7; 16], [number as u8; 16], number, 100_000, 0, 0);
        it.events = events;
        it.roles.fill(SPARE);
        for (place, number) in placed.iter().enumerate() {
            it.roles[*number as usize] = place as u16;
        }
        it
    }

    fn start(members: &[usize], stale: &[usize], apart: &[usize], missing: usize) -> Start {
        let (members, stale, apart) = (members.into(), stale.into(), apart.into());
        Start { members, stale, apart, missing }
    }

    #[test]
    fn two_that_agree_are_started_together() {
        let both = [member(0, 9, &[0, 1]), member(1, 9, &[0, 1])];
        assert_eq!(choose(&both), [start(&[0, 1], &[], &[], 0)]);
        assert!(!is_awaited(&both));
        // A power cut between the two superblocks.
        let both = [member(0, 9, &[0, 1]), member(1, 10, &[0, 1])];
        assert_eq!(choose(&both), [start(&[1, 0], &[], &[], 0)]);
    }

    #[test]
    fn one_alone_is_started_degraded_and_the_other_waited_for() {
        let one = [member(1, 9, &[0, 1])];
        assert_eq!(choose(&one), [start(&[0], &[], &[], 1)]);
        assert!(is_awaited(&one));
        assert!(!is_awaited(&[member(1, 12, &[1])]), "it is known to be gone");
        assert_eq!(choose(&[]), []);
    }

    #[test]
    fn the_one_that_missed_writes_is_rebuilt_and_never_leads() {
        // Number 1 was taken out while the machine ran.
        let both = [member(1, 9, &[0, 1]), member(0, 20, &[0])];
        assert_eq!(choose(&both), [start(&[1], &[0], &[], 1)]);
        // It failed, and the other has not said so yet.
        let both = [member(0, 20, &[0, 1]), member(1, 9, &[0, 1])];
        assert_eq!(choose(&both), [start(&[0], &[1], &[], 1)]);
    }

    #[test]
    fn a_member_that_was_being_rebuilt_never_leads() {
        let mut half = member(2, 30, &[0, 2]);
        half.rebuilding = true;
        let both = [half, member(0, 30, &[0, 2])];
        assert_eq!(choose(&both), [start(&[1, 0], &[], &[], 0)]);
        // Nor does one that has no place at all.
        let both = [member(2, 31, &[0]), member(0, 30, &[0])];
        assert_eq!(choose(&both), [start(&[1], &[0], &[], 1)]);
    }

    #[test]
    fn two_that_ran_without_each_other_stay_apart_the_latest_first() {
        for (one, other, first) in [(20, 21, 1), (21, 20, 0)] {
            let both = [member(0, one, &[0]), member(1, other, &[1])];
            let second = 1 - first;
            assert_eq!(
                choose(&both),
                [start(&[first], &[], &[second], 1), start(&[second], &[], &[first], 1)]
            );
            assert!(!is_awaited(&both));
        }
        // The same count says nothing: the kernel would take them for equal.
        let both = [member(0, 20, &[0]), member(1, 20, &[1])];
        assert_eq!(choose(&both).len(), 2);
    }
}
