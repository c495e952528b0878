//! Filesystems by the names that they carry in their superblocks.
//!
//! ext4: the superblock begins at byte 1024; magic 0xEF53 (little endian) at its 0x38, UUID at
//! 0x68, block size as a power of two over 1024 at 0x18, the number of blocks at 0x04 and 0x150, the
//! state at 0x3A, features that a reader has to know at 0x60 and the number of errors at 0x194
//! (Documentation/filesystems/ext4/super.rst). ISO 9660: the primary volume descriptor begins at
//! byte 32768; type 1, `CD001`, volume id of 32 characters padded with blanks at its byte 40
//! (ECMA-119, 8.4).

use generation::cmdline::Data;

/// So many bytes from the beginning of a device are enough to recognise it.
pub(crate) const HEAD: usize = ISO_DESCRIPTOR + 2048;

const EXT4_SUPERBLOCK: usize = 1024;
const ISO_DESCRIPTOR: usize = 32768;

/// Whether a device that begins with `head` is the medium `data`. Of a device shorter than
/// [`HEAD`] all its bytes are given.
pub(crate) fn is_medium(data: &Data, head: &[u8]) -> bool {
    match data {
        Data::Ext4(uuid) => Ext4::read(head).is_some_and(|found| found.uuid == *uuid),
        Data::Iso(volume) => iso_volume(head).is_some_and(|found| found == volume.as_bytes()),
    }
}

/// What matters here of an ext4 superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ext4 {
    /// In lower case.
    pub(crate) uuid: String,
    /// Bytes a block.
    pub(crate) block_size: u64,
    /// Blocks of the filesystem.
    pub(crate) blocks: u64,
    /// Bits of [`VALID`] and [`ERRORS`].
    state: u16,
    /// How many errors the kernel met since the last check.
    errors: u32,
}

/// Unmounted cleanly; with a journal it stays set while mounted.
const VALID: u16 = 1;
/// The kernel met an error.
const ERRORS: u16 = 2;

impl Ext4 {
    /// Reads the superblock of a device that begins with `head`.
    pub(crate) fn read(head: &[u8]) -> Option<Self> {
        let superblock = head.get(EXT4_SUPERBLOCK..EXT4_SUPERBLOCK + 1024)?;
        let number = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(superblock.get(at..at + 4)?.try_into().ok()?))
        };
        if superblock.get(0x38..0x3a)? != [0x53, 0xef] {
            return None;
        }
        let shift = number(0x18).filter(|shift| *shift <= 6)?;
        Some(Self {
            uuid: uuid(superblock.get(0x68..0x78)?),
            block_size: 1024 << shift,
            blocks: u64::from(number(0x04)?) | u64::from(number(0x150)?) << 32,
            state: u16::from_le_bytes(superblock.get(0x3a..0x3c)?.try_into().ok()?),
            errors: number(0x194)?,
        })
    }

    /// Why it has to be checked before it is mounted; nothing where the kernel's own replay of the
    /// journal is enough, as after a power cut. How often or how long ago it was mounted asks for
    /// nothing.
    pub(crate) fn asks_for_check(&self) -> Option<String> {
        if self.state & ERRORS != 0 {
            Some(match self.errors {
                0 => "its superblock says that it has errors".to_owned(),
                1 => "the kernel met an error in it".to_owned(),
                count => format!("the kernel met {count} errors in it"),
            })
        } else if self.state & VALID == 0 {
            Some("it was not unmounted cleanly, beyond what its journal has".to_owned())
        } else {
            None
        }
    }

    /// The number of blocks to resize to, when a device of `device` bytes has room for more.
    pub(crate) fn larger_on(&self, device: u64) -> Option<u64> {
        let room = device / self.block_size;
        (room > self.blocks).then_some(room)
    }
}

/// The text form of RFC 9562.
fn uuid(bytes: &[u8]) -> String {
    let digits = bytes.iter().enumerate().map(|(at, byte)| match at {
        4 | 6 | 8 | 10 => format!("-{byte:02x}"),
        _ => format!("{byte:02x}"),
    });
    digits.collect()
}

fn iso_volume(head: &[u8]) -> Option<&[u8]> {
    let descriptor = head.get(ISO_DESCRIPTOR..)?;
    if descriptor.get(..6)? != b"\x01CD001" {
        return None;
    }
    Some(descriptor.get(40..72)?.trim_ascii_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

    fn ext4() -> Vec<u8> {
        let mut head = vec![0; HEAD];
        head[1024 + 0x04..1024 + 0x08].copy_from_slice(&25600u32.to_le_bytes());
        head[1024 + 0x18] = 2;
        head[1024 + 0x38..1024 + 0x3c].copy_from_slice(&[0x53, 0xef, 1, 0]);
        let bytes: u128 = 0x0a1b_2c3d_4e5f_6071_8293_a4b5_c6d7_e8f9;
        head[1024 + 0x68..1024 + 0x78].copy_from_slice(&bytes.to_be_bytes());
        head
    }

    fn iso(volume: &[u8]) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        head[32768..32774].copy_from_slice(b"\x01CD001");
        head[32808..32840].fill(b' ');
        head[32808..32808 + volume.len()].copy_from_slice(volume);
        head
    }

    #[test]
    fn ext4_is_known_by_its_uuid() {
        let data = Data::Ext4(UUID.into());
        assert!(is_medium(&data, &ext4()));
        let mut other = ext4();
        other[1024 + 0x68] ^= 1;
        assert!(!is_medium(&data, &other));
        let mut foreign = ext4();
        foreign[1024 + 0x38] = 0;
        assert!(!is_medium(&data, &foreign), "a UUID without the magic is something else");
    }

    #[test]
    fn an_iso_is_known_by_its_volume_id_without_padding() {
        let data = Data::Iso("HEIRLOOM".into());
        assert!(is_medium(&data, &iso(b"HEIRLOOM")));
        assert!(!is_medium(&data, &iso(b"HEIRLOOM2")));
        assert!(!is_medium(&data, &ext4()));
    }

    #[test]
    fn short_and_empty_devices_are_nothing() {
        for data in [Data::Ext4(UUID.into()), Data::Iso("Y".into())] {
            for length in [0, 512, 1024, 1100, 2047, 32768, 32774, 32820] {
                assert!(!is_medium(&data, &iso(b"Y")[..length]));
            }
        }
    }

    #[test]
    fn a_check_is_asked_for_by_the_state_and_by_nothing_else() {
        let asks = |state: u16, change: &dyn Fn(&mut [u8])| {
            let mut head = ext4();
            head[1024 + 0x3a..1024 + 0x3c].copy_from_slice(&state.to_le_bytes());
            change(&mut head[1024..]);
            Ext4::read(&head).unwrap().asks_for_check()
        };
        let nothing = |_: &mut [u8]| {};
        assert_eq!(asks(VALID, &nothing), None);
        // A power cut: the journal is to be replayed (RECOVER), which the kernel does.
        assert_eq!(asks(VALID, &|it| it[0x60] |= 4), None);
        // More mounts than the most that mke2fs sets, and a last check that is long ago.
        assert_eq!(asks(VALID, &|it| it[0x34..0x38].copy_from_slice(&[9, 0, 1, 0])), None);
        assert_eq!(asks(VALID, &|it| it[0x44..0x48].copy_from_slice(&[1, 0, 0, 0])), None);
        // `debugfs -w -R "ssv state 2"`: neither clean nor without errors.
        assert!(asks(ERRORS, &nothing).unwrap().contains("errors"));
        let counted = asks(VALID | ERRORS, &|it| it[0x194] = 7).unwrap();
        assert_eq!(counted, "the kernel met 7 errors in it");
        assert!(asks(0, &nothing).unwrap().contains("cleanly"));
    }

    #[test]
    fn ext4_says_how_large_it_is_and_could_be() {
        let found = Ext4::read(&ext4()).unwrap();
        assert_eq!((found.block_size, found.blocks), (4096, 25600));
        assert_eq!(found.larger_on(25600 * 4096 + 4095), None);
        assert_eq!(found.larger_on(25601 * 4096), Some(25601));
        assert_eq!(found.larger_on(0), None);
    }
}
