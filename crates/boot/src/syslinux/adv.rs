//! syslinux's auxiliary data vector: the last two sectors of `ldlinux.sys`, twice the same
//! (syslinux, `core/adv.inc` and `libinstaller/setadv.c`).
//!
//! ```text
//! offset  bytes
//!      0      4  0x5a2d2fa5, little-endian as all numbers
//!      4      4  what makes the sum of itself and the 124 words behind it 0xa3041767
//!      8    500  items: tag, length, value; a tag of 0 ends them
//!    508      4  0xdd28bf64
//! ```
//!
//! syslinux reads the first copy, or the second when the first is not good; so one is always good
//! when they are written one after the other. It takes the item "boot once" out itself, before it
//! loads a kernel. The file's sectors must not move: it is overwritten in place.

use crate::partition::SECTOR;
use crate::{Error, Partition, Result};

use super::LDLINUX;

const HEAD: u32 = 0x5a2d_2fa5;
const TAIL: u32 = 0xdd28_bf64;
const SUM: u32 = 0xa304_1767;

const ITEMS: std::ops::Range<usize> = 8..508;

/// The label that is started once.
const BOOT_ONCE: u8 = 1;

/// The longest label that an item holds, in bytes.
const LONGEST: usize = 255;

/// The items, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adv {
    items: Vec<(u8, Vec<u8>)>,
}

impl Adv {
    /// To start `label` at the next boot only.
    pub fn once(label: &str) -> Self {
        let label = label.as_bytes();
        Self { items: vec![(BOOT_ONCE, label[..label.len().min(LONGEST)].to_vec())] }
    }

    /// The label that is started at the next boot only.
    pub fn boot_once(&self) -> Option<String> {
        let (_, value) = self.items.iter().find(|(tag, _)| *tag == BOOT_ONCE)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Reads one copy; nothing when it is not good.
    pub fn parse(sector: &[u8]) -> Option<Self> {
        let whole = sector.len() == SECTOR
            && word(sector, 0) == Some(HEAD)
            && word(sector, 508) == Some(TAIL)
            && word(sector, 4)?.wrapping_add(sum(&sector[ITEMS])) == SUM;
        if !whole {
            return None;
        }
        let mut items = Vec::new();
        let mut rest = &sector[ITEMS];
        while let [tag, length, behind @ ..] = rest {
            if *tag == 0 {
                break;
            }
            let value = behind.get(..usize::from(*length))?;
            items.push((*tag, value.to_vec()));
            rest = &behind[value.len()..];
        }
        Some(Self { items })
    }

    /// One copy.
    pub fn to_bytes(&self) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        let mut at = ITEMS.start;
        for (tag, value) in &self.items {
            let end = at + 2 + value.len();
            // Two bytes short of the end, where a tag of 0 has to be.
            if end + 2 > ITEMS.end {
                break;
            }
            // A value has at most 255 bytes.
            sector[at..at + 2].copy_from_slice(&[*tag, u8::try_from(value.len()).unwrap_or(0)]);
            sector[at + 2..end].copy_from_slice(value);
            at = end;
        }
        let check = SUM.wrapping_sub(sum(&sector[ITEMS]));
        for (at, word) in [(0, HEAD), (4, check), (508, TAIL)] {
            sector[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        sector
    }
}

/// Reads what counts; nothing is set where neither copy is good, as syslinux has it.
pub(super) fn read(partition: &dyn Partition) -> Result<Adv> {
    let bytes = ldlinux(partition)?;
    let [first, second] = places(bytes.len())?;
    let copy = |at: usize| Adv::parse(&bytes[at..at + SECTOR]);
    Ok(copy(first).or_else(|| copy(second)).unwrap_or_default())
}

/// Writes both copies.
pub(super) fn write(partition: &mut dyn Partition, adv: &Adv) -> Result<()> {
    let places = places(ldlinux(partition)?.len())?;
    let sector = adv.to_bytes();
    for place in places {
        partition.overwrite(LDLINUX, place as u64, &sector)?;
    }
    Ok(())
}

fn ldlinux(partition: &dyn Partition) -> Result<Vec<u8>> {
    let bytes = partition.read(LDLINUX)?;
    bytes.ok_or_else(|| Error::broken(LDLINUX, "it is not there"))
}

/// Where the copies are in a file of `length` bytes.
fn places(length: usize) -> Result<[usize; 2]> {
    if length < 4 * SECTOR || length % SECTOR != 0 {
        return Err(Error::broken(LDLINUX, format!("{length} bytes are not those of syslinux")));
    }
    Ok([length - 2 * SECTOR, length - SECTOR])
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn sum(items: &[u8]) -> u32 {
    let words = items.chunks_exact(4).map(|it| word(it, 0).unwrap_or(0));
    words.fold(0, u32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_back_and_a_changed_byte_is_noticed() {
        let adv = Adv::once("heirloom-12-trial");
        let sector = adv.to_bytes();
        assert_eq!(Adv::parse(&sector), Some(adv));
        for at in 0..SECTOR {
            let mut other = sector;
            other[at] ^= 1;
            assert_eq!(Adv::parse(&other), None, "byte {at}");
        }
        assert_eq!(Adv::parse(&[0; SECTOR]), None);
    }

    /// Reckoned by hand: 0xa3041767 - (0x696c0501 + 0x0078756e) = 0x391f9cf8.
    #[test]
    fn the_bytes_are_those_of_the_format() {
        let sector = Adv::once("linux").to_bytes();
        assert_eq!(sector[..16], *b"\xa5\x2f\x2d\x5a\xf8\x9c\x1f\x39\x01\x05linux\0");
        assert_eq!(sector[508..], *b"\x64\xbf\x28\xdd");
        assert_eq!(Adv::default().to_bytes()[4..8], *b"\x67\x17\x04\xa3");
    }

    #[test]
    fn items_that_run_over_the_end_are_no_items() {
        let mut sector = Adv { items: vec![(2, vec![7; 255])] }.to_bytes();
        assert_eq!(Adv::parse(&sector).unwrap().boot_once(), None);
        sector[265..270].copy_from_slice(&[1, 255, 0, 0, 0]);
        let check = SUM.wrapping_sub(sum(&sector[ITEMS]));
        sector[4..8].copy_from_slice(&check.to_le_bytes());
        assert_eq!(Adv::parse(&sector), None);
    }
}
