//! Which generations go when there are too many, or there is too little room. No disk, no clock.

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;

/// As many generations are kept, those in use and the owner's among them. A boot partition can
/// name 16, and one more is on its way while another is made room for.
pub const LIMIT: usize = 8;

/// The most that can be kept when all are in use or the owner's.
pub const MOST: usize = 15;

/// A generation and what it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Its number.
    pub number: u64,
    /// Whether it may go.
    pub removable: bool,
    /// The blobs that it needs, with their lengths.
    pub blobs: BTreeMap<Digest, u64>,
    /// Its kernel and initramfs, as far as they are on the boot partition.
    pub boot: BTreeMap<Digest, u64>,
}

/// Room, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// On the data partition.
    pub data: u64,
    /// On the boot partition.
    pub boot: u64,
}

/// Why there is no room to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Of the data partition; so many bytes there could be.
    Data(u64),
    /// Of the boot partition; so many bytes there could be.
    Boot(u64),
    /// Of numbers: so many generations are kept.
    Count(usize),
}

/// What is to be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Room that it needs.
    pub room: Room,
    /// How many generations come.
    pub generations: usize,
    /// Blobs that it shares: they stay.
    pub blobs: BTreeSet<Digest>,
}

/// The generations that have to go for `wanted`, the oldest first and no more than needed; or what
/// there would be too little of if all went that may.
pub fn plan(all: &[Weight], free: Room, wanted: &Wanted) -> Result<Vec<u64>, Shortage> {
    let mut left: Vec<&Weight> = all.iter().collect();
    left.sort_by_key(|weight| weight.number);
    let mut gone = Vec::new();
    loop {
        let room = Room {
            data: free.data + freed(all, &left, &wanted.blobs, |it| &it.blobs),
            boot: free.boot + freed(all, &left, &wanted.blobs, |it| &it.boot),
        };
        let count = left.len() + wanted.generations;
        let enough = room.data >= wanted.room.data && room.boot >= wanted.room.boot;
        if enough && count <= LIMIT {
            return Ok(gone);
        }
        let Some(oldest) = left.iter().position(|weight| weight.removable) else {
            return if room.data < wanted.room.data {
                Err(Shortage::Data(room.data))
            } else if room.boot < wanted.room.boot {
                Err(Shortage::Boot(room.boot))
            } else if count > MOST {
                Err(Shortage::Count(left.len()))
            } else {
                Ok(gone)
            };
        };
        gone.push(left.remove(oldest).number);
    }
}

/// Bytes that only generations have that are not left.
fn freed(
    all: &[Weight],
    left: &[&Weight],
    stay: &BTreeSet<Digest>,
    of: impl Fn(&Weight) -> &BTreeMap<Digest, u64>,
) -> u64 {
    let used: BTreeSet<&Digest> = left.iter().flat_map(|weight| of(weight).keys()).collect();
    let before: BTreeMap<&Digest, &u64> = all.iter().flat_map(&of).collect();
    let gone = before.iter().filter(|(digest, _)| !used.contains(*digest));
    gone.filter(|(digest, _)| !stay.contains(**digest)).map(|(_, size)| **size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(number: u64, removable: bool, blobs: &[(&str, u64)]) -> Weight {
        let blobs: BTreeMap<_, _> =
            blobs.iter().map(|(name, size)| (Digest::of(name), *size)).collect();
        Weight { number, removable, boot: blobs.clone(), blobs }
    }

    fn wanted(data: u64) -> Wanted {
        Wanted { room: Room { data, boot: 0 }, generations: 1, blobs: BTreeSet::new() }
    }

    #[test]
    fn nothing_goes_where_there_is_room() {
        let all = [weight(1, true, &[("a", 10)])];
        assert_eq!(plan(&all, Room { data: 5, boot: 0 }, &wanted(5)), Ok(vec![]));
    }

    #[test]
    fn the_oldest_go_first_and_shared_blobs_free_nothing() {
        let all = [
            weight(1, true, &[("shared", 100), ("a", 10)]),
            weight(2, false, &[("shared", 100), ("b", 10)]),
            weight(3, true, &[("shared", 100), ("c", 10)]),
            weight(4, true, &[("d", 10)]),
        ];
        let free = Room { data: 1, boot: 0 };
        assert_eq!(plan(&all, free, &wanted(11)), Ok(vec![1]));
        assert_eq!(plan(&all, free, &wanted(12)), Ok(vec![1, 3]));
        assert_eq!(plan(&all, free, &wanted(32)), Err(Shortage::Data(31)));
    }

    #[test]
    fn what_the_new_one_shares_frees_nothing_either() {
        let all = [weight(1, true, &[("a", 10), ("b", 10)])];
        let mut wanted = wanted(11);
        wanted.blobs.insert(Digest::of("a"));
        assert_eq!(plan(&all, Room::default(), &wanted), Err(Shortage::Data(10)));
    }

    #[test]
    fn too_many_go_unless_they_are_in_use() {
        let many = |count, removable| -> Vec<Weight> {
            (1..=count).map(|number| weight(number, removable, &[])).collect()
        };
        let free = Room::default();
        assert_eq!(plan(&many(8, true), free, &wanted(0)), Ok(vec![1]));
        assert_eq!(plan(&many(14, false), free, &wanted(0)), Ok(vec![]));
        assert_eq!(plan(&many(15, false), free, &wanted(0)), Err(Shortage::Count(15)));
    }
}
