//! md's superblock of version 1 (linux/raid/md_p.h, `struct mdp_superblock_1`), at the place that
//! metadata 1.0 has: 8 KiB before the member's end, at a multiple of 4 KiB.
//!
//! Only arrays like ours are read: RAID-1, whose data begins where the partition does.

/// Bytes of a superblock with places for [`MEMBERS`] members.
pub const LENGTH: usize = ROLES + 2 * MEMBERS;

/// The most members that are ever counted, those that were replaced too.
pub const MEMBERS: usize = 128;

/// A member without a place in the array: to be rebuilt, or gone.
pub const SPARE: u16 = 0xffff;
/// From here on a role is no place in the array.
const NO_PLACE: u16 = 0xff00;

const MAGIC: u32 = 0xa92b_4efc;
const ROLES: usize = 256;
const CHECKSUM: usize = 216;
const MAX_MEMBERS: usize = 220;
/// Bit of the features: how far a rebuild has come is in the superblock.
const RECOVERING: u32 = 2;
/// Bits of the seconds in a time.
const SECONDS: u64 = (1 << 40) - 1;

/// A member's superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Names the array.
    pub array: [u8; 16],
    /// Names the member.
    pub device: [u8; 16],
    /// The number of the member; never given twice.
    pub number: u32,
    /// The sectors of a member that the array uses.
    pub sectors: u64,
    /// Counts changes of the array: who has more knows more.
    pub events: u64,
    /// Seconds since 1970 of the last change.
    pub changed: u64,
    /// Sectors up to which the members are known to be equal; all of them on a clean array.
    pub equal: u64,
    /// Whether it was being rebuilt.
    pub rebuilding: bool,
    /// How many members a whole array has.
    pub wanted: u32,
    /// What each number is in the array: its place, or [`SPARE`] and above.
    pub roles: Vec<u16>,
}

/// Where the superblock of a member of `sectors` sectors begins, in sectors. It is also how many
/// sectors the array may use.
pub fn place(sectors: u64) -> u64 {
    sectors.saturating_sub(16) & !7
}

impl Superblock {
    /// One of the two members of a new array. Up to `equal` sectors they have the same bytes; the
    /// kernel makes the rest equal when the array runs.
    pub fn new(
        array: [u8; 16],
        device: [u8; 16],
        number: u32,
        sectors: u64,
        equal: u64,
        now: u64,
    ) -> Self {
        let mut roles = vec![SPARE; MEMBERS];
        roles[..2].copy_from_slice(&[0, 1]);
        Self {
            array,
            device,
            number,
            sectors: place(sectors),
            events: 0,
            changed: now,
            equal,
            rebuilding: false,
            wanted: 2,
            roles,
        }
    }

    /// A member that takes a place in this one's array: `device`, with the number `number`.
    pub fn newcomer(&self, device: [u8; 16], number: u32) -> Self {
        let mut roles = self.roles.clone();
        roles.resize(MEMBERS, SPARE);
        if let Some(role) = roles.get_mut(number as usize) {
            *role = SPARE;
        }
        Self { device, number, roles, rebuilding: false, ..self.clone() }
    }

    /// Whether the member `number` has a place in the array, as this one knows it.
    pub fn counts(&self, number: u32) -> bool {
        self.roles.get(number as usize).is_some_and(|role| *role < NO_PLACE)
    }

    /// The numbers that have a place.
    pub fn placed(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.roles.len() as u32).filter(|number| self.counts(*number))
    }

    /// Reads the superblock that is at sector `at` of a member; nothing where there is none, or
    /// one of another kind of array.
    pub fn read(bytes: &[u8], at: u64) -> Option<Self> {
        let get16 = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let get32 = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let get64 = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let name = |at: usize| bytes.get(at..at + 16)?.try_into().ok();
        let members = get32(MAX_MEMBERS)? as usize;
        let (version, level, data) = (get32(4)?, get32(72)?, get64(128)?);
        let ours = get32(0)? == MAGIC
            && (version, level, data) == (1, 1, 0)
            && get64(144)? == at
            && members <= MEMBERS
            && get32(CHECKSUM)? == checksum(bytes.get(..ROLES + 2 * members)?);
        if !ours {
            return None;
        }
        let roles = (0..members).map(|number| get16(ROLES + 2 * number)).collect::<Option<_>>()?;
        Some(Self {
            array: name(16)?,
            device: name(168)?,
            number: get32(160)?,
            sectors: get64(80)?,
            events: get64(200)?,
            changed: get64(192)? & SECONDS,
            equal: get64(208)?,
            rebuilding: get32(8)? & RECOVERING != 0,
            wanted: get32(92)?,
            roles,
        })
    }

    /// The bytes, for sector `at` of the member.
    pub fn bytes(&self, at: u64) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &MAGIC.to_le_bytes());
        put(4, &1_u32.to_le_bytes());
        put(16, &self.array);
        put(32, b"heirloom");
        put(64, &self.changed.to_le_bytes());
        // RAID-1, and as many sectors of each member as there are before the superblock.
        put(72, &1_u32.to_le_bytes());
        put(80, &self.sectors.to_le_bytes());
        put(92, &self.wanted.to_le_bytes());
        put(136, &at.to_le_bytes());
        put(144, &at.to_le_bytes());
        put(160, &self.number.to_le_bytes());
        put(168, &self.device);
        put(192, &self.changed.to_le_bytes());
        put(200, &self.events.to_le_bytes());
        put(208, &self.equal.to_le_bytes());
        put(MAX_MEMBERS, &(MEMBERS as u32).to_le_bytes());
        for (number, role) in self.roles.iter().take(MEMBERS).enumerate() {
            put(ROLES + 2 * number, &role.to_le_bytes());
        }
        let sum = checksum(&bytes);
        bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

/// The sum of all words, its own left out (drivers/md/md.c, `calc_sb_1_csum`).
fn checksum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(4).enumerate().map(|(at, word)| match word {
        _ if at * 4 == CHECKSUM => 0,
        [a, b, c, d] => u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        [a, b, ..] => u64::from(u16::from_le_bytes([*a, *b])),
        _ => 0,
    });
    let sum: u64 = words.sum();
    ((sum & 0xffff_ffff) + (sum >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Superblock {
        Superblock::new([7; 16], [9; 16], 1, 4_194_304 - 131_072, 100_000, 1_700_000_000)
    }

    #[test]
    fn the_superblock_is_before_the_end_at_a_multiple_of_four_kibibytes() {
        assert_eq!(place(1 << 20), (1 << 20) - 16);
        assert_eq!(place((1 << 20) + 7), (1 << 20) - 16);
        assert_eq!(place(3), 0);
    }

    #[test]
    fn what_is_written_is_read() {
        let at = place(4_194_304 - 131_072);
        let bytes = one().bytes(at);
        assert_eq!(bytes.len() % 512, 0, "it is overwritten as whole sectors");
        assert_eq!(Superblock::read(&bytes, at), Some(one()));
    }

    #[test]
    fn what_is_elsewhere_or_damaged_or_another_kind_is_none() {
        let bytes = one().bytes(800);
        assert_eq!(Superblock::read(&bytes, 808), None, "a copy of a longer partition");
        assert_eq!(Superblock::read(&[0; 512], 800), None);
        for length in [0, 1, 255, 511] {
            assert_eq!(Superblock::read(&bytes[..length], 800), None);
        }
        for at in 0..LENGTH {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(Superblock::read(&damaged, 800), None, "byte {at}");
        }
    }

    #[test]
    fn a_newcomer_has_no_place_yet() {
        let new = one().newcomer([1; 16], 2);
        assert!(!new.counts(2) && new.counts(0) && new.counts(1));
        assert_eq!((new.array, new.number, new.sectors), (one().array, 2, one().sectors));
        assert_eq!(one().placed().collect::<Vec<_>>(), [0, 1]);
    }
}
