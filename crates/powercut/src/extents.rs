//! Which bytes of a disk come from where.

use std::collections::BTreeMap;
use std::ops::Range;

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The log, from this byte on.
    Log(u64),
    /// They are zeros.
    Zeros,
}

impl Source {
    /// The same, `bytes` further on.
    pub(crate) fn after(self, bytes: u64) -> Self {
        match self {
            Self::Log(at) => Self::Log(at + bytes),
            Self::Zeros => Self::Zeros,
        }
    }
}

/// Ranges of bytes that do not overlap, each with its source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extents {
    /// Begin, and end with source.
    map: BTreeMap<u64, (u64, Source)>,
}

/// A range, and its source where it has one.
pub(crate) type Piece = (Range<u64>, Option<Source>);

impl Extents {
    /// Says where `range` comes from, whatever was said of it before.
    pub(crate) fn insert(&mut self, range: Range<u64>, source: Source) {
        if range.is_empty() {
            return;
        }
        // At most one begins before and reaches in.
        if let Some((&start, &(end, old))) = self.map.range(..range.start).next_back() {
            if end > range.start {
                self.map.insert(start, (range.start, old));
            }
            if end > range.end {
                self.map.insert(range.end, (end, old.after(range.end - start)));
            }
        }
        let inside: Vec<u64> = self.map.range(range.clone()).map(|(start, _)| *start).collect();
        for start in inside {
            if let Some((end, old)) = self.map.remove(&start)
                && end > range.end
            {
                self.map.insert(range.end, (end, old.after(range.end - start)));
            }
        }
        self.map.insert(range.start, (range.end, source));
    }

    /// All of `range`, in order, without a gap.
    pub(crate) fn pieces(&self, range: Range<u64>) -> Vec<Piece> {
        let before = self.map.range(..range.start).next_back();
        let reaches_in = before.filter(|(_, (end, _))| *end > range.start);
        let mut pieces = Vec::new();
        let mut at = range.start;
        for (&start, &(end, source)) in reaches_in.into_iter().chain(self.map.range(range.clone()))
        {
            if start > at {
                pieces.push((at..start, None));
            }
            let from = start.max(range.start);
            at = end.min(range.end);
            pieces.push((from..at, Some(source.after(from - start))));
        }
        if at < range.end {
            pieces.push((at..range.end, None));
        }
        pieces
    }
}

/// All of `range` of two maps, of which `above` hides `below`.
pub(crate) fn layered(above: &Extents, below: &Extents, range: Range<u64>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (range, source) in above.pieces(range) {
        match source {
            Some(_) => pieces.push((range, source)),
            None => pieces.extend(below.pieces(range)),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sources(extents: &Extents) -> Vec<Option<Source>> {
        let at = |(range, source): Piece| {
            let start = range.start;
            range.map(move |byte| source.map(|source| source.after(byte - start)))
        };
        extents.pieces(0..64).into_iter().flat_map(at).collect()
    }

    proptest! {
        #[test]
        fn the_last_word_on_each_byte_counts(
            writes in prop::collection::vec((0u64..64, 0u64..20, any::<bool>()), 0..20)
        ) {
            let mut extents = Extents::default();
            let mut model = vec![None; 64];
            for (number, (start, length, zeros)) in writes.into_iter().enumerate() {
                let range = start..(start + length).min(64);
                let source =
                    if zeros { Source::Zeros } else { Source::Log(number as u64 * 1000) };
                for byte in range.clone() {
                    model[byte as usize] = Some(source.after(byte - start));
                }
                extents.insert(range, source);
            }
            prop_assert_eq!(sources(&extents), model);
        }
    }
}
