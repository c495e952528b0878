//! The cuts of a window: pure functions of its writes.

use std::collections::HashSet;

use rand::rngs::StdRng;
use rand::seq::index;
use rand::{Rng, SeedableRng};

use crate::plan::{Choosing, Kept, Part, Plan};

/// What a disk writes at once or not at all, in bytes.
pub(crate) const SECTOR: u64 = 512;

/// A write since the last flush.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) entry: u64,
    /// Bytes.
    pub(crate) length: u64,
    /// It was on the medium when it was done.
    pub(crate) durable: bool,
    /// It touches the bytes that are watched.
    pub(crate) watched: bool,
}

/// A choice of writes, by their indices in the window.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Those whose bit is set.
    Mask(u64),
    First(usize),
    Last(usize),
    Without(usize),
    Alone(usize),
    /// A number to begin with.
    Random(u64),
    /// All before it, and a part of this one.
    TornLast(usize, Part),
    /// All the others, and a part of this one.
    TornAmong(usize, Part),
}

/// The cuts of one window, one after the other.
pub(crate) struct Choices {
    window: Vec<Pending>,
    shapes: std::vec::IntoIter<Shape>,
    seen: HashSet<Vec<Kept>>,
}

impl Choices {
    /// Those of a window that begins at entry `number`. The first is that nothing of it is there.
    pub(crate) fn new(window: Vec<Pending>, number: u64, plan: &Plan) -> Self {
        let mut random = StdRng::seed_from_u64(plan.seed ^ number.wrapping_mul(0x9e37_79b9));
        let mut shapes = vec![Shape::First(0)];
        let count = window.len();
        if count <= plan.exhaustive.min(16) {
            shapes.extend((1..1u64 << count).map(Shape::Mask));
        } else {
            let chosen = sample(&window, plan.each, &mut random);
            for shape in [Shape::Last, Shape::Without, Shape::Alone] {
                shapes.extend(chosen.iter().map(|index| shape(*index)));
            }
            shapes.extend(chosen.iter().map(|index| Shape::First(index + 1)));
            shapes.push(Shape::First(count));
            shapes.extend((0..plan.random).map(|_| Shape::Random(random.r#gen())));
        }
        let torn = |write: &&(usize, &Pending)| write.1.watched && write.1.length > SECTOR;
        let writes: Vec<(usize, &Pending)> = window.iter().enumerate().collect();
        for (index, write) in writes.iter().filter(torn).take(plan.each) {
            for at in tears(write.length / SECTOR, &mut random) {
                let head = Part::Head(at * SECTOR);
                shapes.push(Shape::TornLast(*index, head));
                // Done with the others still to come, it would have been whole.
                if !write.durable {
                    shapes.push(Shape::TornAmong(*index, head));
                    shapes.push(Shape::TornLast(*index, Part::Tail(at * SECTOR)));
                }
            }
        }
        Self { window, shapes: shapes.into_iter(), seen: HashSet::new() }
    }

    fn kept(&self, shape: Shape) -> (Choosing, Vec<Kept>) {
        let torn = |torn: usize, part, index| if index == torn { part } else { Part::Whole };
        match shape {
            Shape::Mask(mask) => (Choosing::Subset, self.select(|i| mask >> i & 1 == 1)),
            Shape::First(0) => (Choosing::Flushed, Vec::new()),
            Shape::First(count) => (Choosing::First, self.select(|i| i < count)),
            Shape::Last(from) => (Choosing::Last, self.select(|i| i >= from)),
            Shape::Without(one) => (Choosing::Without, self.select(|i| i != one)),
            Shape::Alone(one) => (Choosing::Alone, self.select(|i| i == one)),
            Shape::Random(seed) => {
                let mut random = StdRng::seed_from_u64(seed);
                let often = random.gen_range(0.1..0.9);
                (Choosing::Random, self.select(|_| random.gen_bool(often)))
            }
            Shape::TornLast(one, part) => {
                let select = |i| (i <= one).then(|| torn(one, part, i));
                (Choosing::Torn, self.parts(select))
            }
            Shape::TornAmong(one, part) => {
                (Choosing::Torn, self.parts(|i| Some(torn(one, part, i))))
            }
        }
    }

    fn select(&self, mut keep: impl FnMut(usize) -> bool) -> Vec<Kept> {
        self.parts(|index| keep(index).then_some(Part::Whole))
    }

    /// What `keep` says, and what had to be there before the last of it was done.
    fn parts(&self, mut keep: impl FnMut(usize) -> Option<Part>) -> Vec<Kept> {
        let mut parts: Vec<_> = (0..self.window.len()).map(&mut keep).collect();
        let last = parts.iter().rposition(Option::is_some).unwrap_or(0);
        for (part, write) in parts.iter_mut().zip(&self.window).take(last) {
            if write.durable {
                *part = Some(Part::Whole);
            }
        }
        let kept = |(part, write): (Option<Part>, &Pending)| {
            part.map(|part| Kept { entry: write.entry, part })
        };
        parts.into_iter().zip(&self.window).filter_map(kept).collect()
    }
}

impl Iterator for Choices {
    type Item = (Choosing, Vec<Kept>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let shape = self.shapes.next()?;
            let (choosing, kept) = self.kept(shape);
            if self.seen.insert(kept.clone()) {
                return Some((choosing, kept));
            }
        }
    }
}

/// Indices of at most `most` writes, the watched ones before the others, in order.
fn sample(window: &[Pending], most: usize, random: &mut StdRng) -> Vec<usize> {
    let (watched, others): (Vec<usize>, Vec<usize>) =
        (0..window.len()).partition(|index| window[*index].watched);
    let mut chosen = pick(watched, most, random);
    let left = most - chosen.len();
    chosen.extend(pick(others, left, random));
    chosen.sort_unstable();
    chosen
}

fn pick(from: Vec<usize>, most: usize, random: &mut StdRng) -> Vec<usize> {
    if from.len() <= most {
        return from;
    }
    index::sample(random, from.len(), most).iter().map(|index| from[index]).collect()
}

/// Where a write of so many sectors is torn: everywhere when they are few.
fn tears(sectors: u64, random: &mut StdRng) -> Vec<u64> {
    if sectors <= 8 {
        return (1..sectors).collect();
    }
    let mut tears = vec![1, sectors / 2, sectors - 1, random.gen_range(1..sectors)];
    tears.sort_unstable();
    tears.dedup();
    tears
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn write(entry: u64) -> Pending {
        Pending { entry, length: SECTOR, durable: false, watched: false }
    }

    fn cuts(window: &[Pending], plan: &Plan) -> Vec<Vec<Kept>> {
        Choices::new(window.to_vec(), 7, plan).map(|(_, kept)| kept).collect()
    }

    fn entries(kept: &[Kept]) -> Vec<u64> {
        kept.iter().map(|kept| kept.entry).collect()
    }

    #[test]
    fn few_writes_are_tried_in_every_combination() {
        let window: Vec<_> = (0..4).map(write).collect();
        let cuts = cuts(&window, &Plan::default());
        let all: BTreeSet<_> = cuts.iter().map(|kept| entries(kept)).collect();
        assert_eq!((cuts.len(), all.len()), (16, 16));
        assert!(all.contains(&vec![]) && all.contains(&vec![0, 2, 3]));
    }

    #[test]
    fn of_many_writes_each_is_first_last_missing_and_alone() {
        let window: Vec<_> = (0..9).map(write).collect();
        let cuts: Vec<_> = cuts(&window, &Plan::default()).iter().map(|k| entries(k)).collect();
        for index in 0..9 {
            for expected in [
                (0..index).collect(),
                (index..9).collect(),
                (0..9).filter(|entry| *entry != index).collect(),
                vec![index],
            ] {
                assert!(cuts.contains(&expected), "{expected:?} in {cuts:?}");
            }
        }
        let different: BTreeSet<_> = cuts.iter().collect();
        assert_eq!(different.len(), cuts.len());
        assert!(cuts.len() > 9 * 4);
    }

    #[test]
    fn of_very_many_writes_the_watched_are_tried() {
        let mut window: Vec<_> = (0..5000).map(write).collect();
        window[4321].watched = true;
        let cuts = cuts(&window, &Plan::default());
        assert!(cuts.len() < 300, "{}", cuts.len());
        assert!(cuts.iter().any(|kept| entries(kept) == [4321]));
    }

    #[test]
    fn a_plan_makes_the_same_cuts_again_and_another_seed_others() {
        let window: Vec<_> = (0..40).map(write).collect();
        let plan = Plan::default();
        assert_eq!(cuts(&window, &plan), cuts(&window, &plan));
        assert_ne!(cuts(&window, &plan), cuts(&window, &Plan { seed: 2, ..plan }));
    }

    #[test]
    fn what_was_durable_at_once_is_there_when_a_later_write_is() {
        let mut window: Vec<_> = (0..8).map(write).collect();
        window[3].durable = true;
        for kept in cuts(&window, &Plan::default()) {
            let entries = entries(&kept);
            if entries.last().is_some_and(|last| *last > 3) {
                assert!(entries.contains(&3), "{entries:?}");
            }
        }
    }

    #[test]
    fn a_watched_write_is_torn_at_each_sector() {
        let mut window = vec![write(0), Pending { length: 3 * SECTOR, ..write(1) }, write(2)];
        assert_eq!(cuts(&window, &Plan::default()).len(), 8);
        window[1].watched = true;
        let cuts = cuts(&window, &Plan::default());
        assert_eq!(cuts.len(), 8 + 2 * 3);
        let torn = Kept { entry: 1, part: Part::Head(2 * SECTOR) };
        assert!(cuts.contains(&vec![Kept { entry: 0, part: Part::Whole }, torn]), "{cuts:?}");
    }
}
