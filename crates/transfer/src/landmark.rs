//! Where in a long blob the bytes of another are found again.
//!
//! A landmark is a place whose preceding 64 bytes have a certain hash (a "gear" hash, as in
//! content-defined chunking: Xia et al., FastCDC, USENIX ATC 2016): about one in 4 KiB. Bytes that
//! moved bring their landmarks along.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};

/// Bits of the hash that have to be zero.
const MASK: u64 = 0xfff << 52;

/// A pseudorandom number for each byte (splitmix64, Steele et al., 2014).
const GEAR: [u64; 256] = {
    let mut table = [0; 256];
    let mut state: u64 = 0;
    let mut index = 0;
    while index < 256 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[index] = z ^ (z >> 31);
        index += 1;
    }
    table
};

/// The landmarks of a blob, and where they are.
#[derive(Debug, Default)]
pub(crate) struct Landmarks(HashMap<u64, u64>);

impl Landmarks {
    /// Those of everything that `reader` gives. Of a landmark that is there often the first counts.
    pub(crate) fn of(mut reader: impl Read) -> io::Result<Self> {
        let mut found = HashMap::new();
        let mut scan = Scan::default();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(Self(found)),
                read => scan.over(&buffer[..read], |hash, at| {
                    found.entry(hash).or_insert(at);
                }),
            }
        }
    }

    /// The `width` bytes of the blob in which most landmarks of `chunk` are, narrowed to them:
    /// first byte and end. None when there is not one.
    pub(crate) fn region(&self, chunk: &[u8], width: u64) -> Option<(u64, u64)> {
        let mut places = BTreeSet::new();
        Scan::default().over(chunk, |hash, _| {
            places.extend(self.0.get(&hash));
        });
        let places: Vec<u64> = places.into_iter().collect();
        let mut best: Option<(usize, usize)> = None;
        let mut first = 0;
        for (last, place) in places.iter().enumerate() {
            while place - places[first] > width {
                first += 1;
            }
            if best.is_none_or(|(from, to)| last - first > to - from) {
                best = Some((first, last));
            }
        }
        best.map(|(first, last)| (places[first], places[last]))
    }
}

#[derive(Default)]
struct Scan {
    hash: u64,
    at: u64,
}

impl Scan {
    fn over(&mut self, bytes: &[u8], mut found: impl FnMut(u64, u64)) {
        for byte in bytes {
            self.hash = (self.hash << 1).wrapping_add(GEAR[usize::from(*byte)]);
            self.at += 1;
            if self.hash & MASK == 0 {
                found(self.hash, self.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn bytes_that_moved_are_found_where_they_were() {
        let base = noise(1, 1 << 20);
        let landmarks = Landmarks::of(&base[..]).unwrap();
        let mut chunk = noise(2, 1000);
        chunk.extend_from_slice(&base[500_000..700_000]);
        let (first, end) = landmarks.region(&chunk, 400_000).unwrap();
        assert!((500_000..530_000).contains(&first), "{first}");
        assert!((670_000..=700_000).contains(&end), "{end}");
    }

    #[test]
    fn the_window_with_most_of_them_wins_and_there_may_be_none() {
        let base = noise(1, 1 << 20);
        let landmarks = Landmarks::of(&base[..]).unwrap();
        let chunk = [&base[..50_000], &base[600_000..800_000]].concat();
        let (first, end) = landmarks.region(&chunk, 300_000).unwrap();
        assert!(first > 590_000 && end <= 800_000, "{first} to {end}");
        assert_eq!(landmarks.region(&noise(3, 100_000), 300_000), None);
    }
}
