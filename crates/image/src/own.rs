//! Identifiers of an installation's own.
//!
//! A server's image has those of [`crate::Identity`], the same in each copy. Two disks with it in
//! one machine would be one to bootloader, init and kernel; so whoever writes an image to a disk
//! writes other ones with it: they are a few bytes at places that are known beforehand
//! ([`patches`]), and the image's file stays as it is.
//!
//! | what | where |
//! |---|---|
//! | GUIDs of disk and partitions | both GPT headers and tables, with their checksums |
//! | serial number of the FAT | its boot sector and the copy of that |
//! | UUID of the ext4 | its superblock and the copies of that. `metadata_csum_seed` keeps everything else in it as it is |
//! | `heirloom.data=` | the boot entries of both bootloaders: text of the same length |

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use mirror::bytes::{crc32, crc32c, get32, get64};
use uuid::{Builder, Uuid};

use crate::{Error, Result};

const SECTOR: u64 = 512;
const RANDOM: &str = "/dev/urandom";

/// The identifiers of one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The GUID of the partition table.
    pub disk: Uuid,
    /// The GUIDs of the partitions, boot and data.
    pub partitions: [Uuid; 2],
    /// The serial number of the FAT.
    pub boot_serial: u32,
    /// The UUID of the ext4.
    pub data_filesystem: Uuid,
}

/// Bytes that take the place of an image's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// From the image's beginning.
    pub offset: u64,
    /// What is there then.
    pub bytes: Vec<u8>,
}

impl Ids {
    /// Identifiers that nobody has.
    ///
    /// # Errors
    /// The kernel gives no random numbers.
    pub fn random() -> Result<Self> {
        let mut random = [0; 5 * 16];
        let read = File::open(RANDOM).and_then(|file| file.read_exact_at(&mut random, 0));
        read.map_err(Error::io("read", Path::new(RANDOM)))?;
        let mut uuids = random.chunks_exact(16).map(|part| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(part);
            Builder::from_random_bytes(bytes).into_uuid()
        });
        let mut next = || uuids.next().unwrap_or_default();
        Ok(Self {
            disk: next(),
            partitions: [next(), next()],
            boot_serial: next().as_fields().0,
            data_filesystem: next(),
        })
    }
}

/// Puts `patches` where they belong in `block`, which begins at `offset` of the image.
pub fn apply(patches: &[Patch], offset: u64, block: &mut [u8]) {
    let end = offset + block.len() as u64;
    for patch in patches {
        let from = patch.offset.max(offset);
        let to = (patch.offset + patch.bytes.len() as u64).min(end);
        if from < to {
            let bytes = &patch.bytes[(from - patch.offset) as usize..(to - patch.offset) as usize];
            block[(from - offset) as usize..(to - offset) as usize].copy_from_slice(bytes);
        }
    }
}

/// What gives the raw image `image` the identifiers `ids`.
///
/// # Errors
/// It cannot be read, or is not a disk image as [`crate::disk::build`] makes them.
pub fn patches(image: &Path, ids: &Ids) -> Result<Vec<Patch>> {
    let file = File::open(image).map_err(Error::io("open", image))?;
    let reader = Reader { file, image };
    let mut patches = Vec::new();
    let [boot, data] = table(&reader, ids, &mut patches)?;
    let old = data_filesystem(&reader, data, ids, &mut patches)?;
    boot_partition(&reader, boot, &old, ids, &mut patches)?;
    patches.sort_by_key(|patch| patch.offset);
    Ok(patches)
}

/// One of the two disks of a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    /// Its own identifiers, and the data filesystem's, which both disks have.
    pub ids: Ids,
    /// Its length in bytes.
    pub disk: u64,
    /// The length of the smaller of the two.
    pub smaller: u64,
    /// Names the array.
    pub array: Uuid,
    /// 0 or 1.
    pub number: u32,
    /// Seconds since 1970.
    pub now: u64,
}

/// What an installation on a mirror writes to one of the disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfPatches {
    /// Inside of the image.
    pub inside: Vec<Patch>,
    /// Behind it: md's superblock and the table's copy.
    pub behind: Vec<Patch>,
}

/// What makes the raw image `image` one half of a mirror: identifiers, a partition table of the
/// disk's length, and md's superblock at the data partition's end. Both halves have the same data.
///
/// # Errors
/// Those of [`patches`]; [`Error::NoIds`] where the disk has no room for the image.
pub fn half(image: &Path, half: &Half) -> Result<HalfPatches> {
    let mut inside = patches(image, &half.ids)?;
    let file = File::open(image).map_err(Error::io("open", image))?;
    let reader = Reader { file, image };
    let head = reader.at(0, mirror::table::HEAD as u64)?;
    let [disk, boot, data] = [half.ids.disk, half.ids.partitions[0], half.ids.partitions[1]];
    let change = mirror::table::Change {
        disk: half.disk,
        data_end: mirror::data_end(half.smaller),
        guids: [disk, boot, data].map(|guid| guid.to_bytes_le()),
    };
    let strange = |_| reader.strange("it does not fit on a mirror of these disks");
    let [_, old] = mirror::table::parts(&head).map_err(strange)?;
    let [copy, table] = mirror::table::changed(&head, &change).map_err(strange)?;
    // The image's copy of the table lies among the data then; both halves keep it as it is.
    let (table_end, data_end) = (mirror::table::HEAD as u64, old.start + old.length);
    inside.retain(|patch| (table_end..data_end).contains(&patch.offset));
    inside.insert(0, Patch { offset: table.offset, bytes: table.bytes });
    let length = change.data_end - old.start;
    let place = mirror::superblock::place(length / SECTOR);
    let end = reader.file.metadata().map_err(Error::io("read", image))?.len();
    let at = old.start + place * SECTOR;
    if at < end {
        return Err(reader.strange("it does not fit on a mirror of these disks"));
    }
    let (array, device) = (*half.array.as_bytes(), *half.ids.partitions[1].as_bytes());
    let equal = (end - old.start) / SECTOR;
    let superblock =
        mirror::Superblock::new(array, device, half.number, length / SECTOR, equal, half.now);
    let superblock = Patch { offset: at, bytes: superblock.bytes(place) };
    let behind = vec![superblock, Patch { offset: copy.offset, bytes: copy.bytes }];
    Ok(HalfPatches { inside, behind })
}

struct Reader<'a> {
    file: File,
    image: &'a Path,
}

impl Reader<'_> {
    fn at(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| self.strange("a length"))?];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.strange("it ends too early"),
            _ => Error::io("read", self.image)(source),
        })?;
        Ok(bytes)
    }

    fn strange(&self, why: &'static str) -> Error {
        Error::NoIds { path: self.image.to_owned(), why }
    }
}

/// A partition, in bytes.
#[derive(Clone, Copy)]
struct Part {
    start: u64,
    length: u64,
}

/// The partition table (UEFI specification 2.10, chapter 5.3) and its copy.
fn table(reader: &Reader<'_>, ids: &Ids, patches: &mut Vec<Patch>) -> Result<[Part; 2]> {
    let mut parts = None;
    let mut at = SECTOR;
    for other in [true, false] {
        let mut header = reader.at(at, 92)?;
        if !header.starts_with(b"EFI PART") || get32(&header, 12) != 92 {
            return Err(reader.strange("it has no partition table of ours"));
        }
        let from = get64(&header, 72).saturating_mul(SECTOR);
        let (count, size) = (get32(&header, 80), get32(&header, 84));
        if size != 128 || !(2..=128).contains(&count) {
            return Err(reader.strange("its partition table is of another size"));
        }
        let mut entries = reader.at(from, u64::from(count * size))?;
        if parts.is_none() {
            let part = |entry: &[u8]| {
                let (first, last) = (get64(entry, 32), get64(entry, 40));
                let length = last.saturating_sub(first).saturating_add(1);
                Part { start: first.saturating_mul(SECTOR), length: length.saturating_mul(SECTOR) }
            };
            parts = Some([part(&entries[..128]), part(&entries[128..256])]);
        }
        for (entry, guid) in entries.chunks_exact_mut(128).zip(ids.partitions) {
            entry[16..32].copy_from_slice(&guid.to_bytes_le());
        }
        header[56..72].copy_from_slice(&ids.disk.to_bytes_le());
        put32(&mut header, 88, crc32(&entries));
        put32(&mut header, 16, 0);
        let sum = crc32(&header);
        put32(&mut header, 16, sum);
        let copy = get64(&header, 32).saturating_mul(SECTOR);
        entries.truncate(256);
        patches.push(Patch { offset: at, bytes: header });
        patches.push(Patch { offset: from, bytes: entries });
        if other {
            at = copy;
        }
    }
    parts.ok_or_else(|| reader.strange("it has no partitions"))
}

/// The ext4's superblock and its copies (Linux, Documentation/filesystems/ext4/super.rst); the
/// UUID that it had, as text.
fn data_filesystem(
    reader: &Reader<'_>,
    data: Part,
    ids: &Ids,
    patches: &mut Vec<Patch>,
) -> Result<String> {
    const SEED: u32 = 0x2000;
    let mut old = None;
    let first = reader.at(data.start + 1024, 1024)?;
    let blocks = u64::from(get32(&first, 4)) | u64::from(get32(&first, 0x150)) << 32;
    let (per_group, block) = (u64::from(get32(&first, 0x20)), 1024 << (get32(&first, 0x18) & 7));
    for group in groups_with_superblock(blocks.div_ceil(per_group.max(1))) {
        let at = match group {
            0 => data.start + 1024,
            group => data.start + group * per_group * block,
        };
        let mut superblock = reader.at(at, 1024)?;
        if superblock[0x38..0x3a] != [0x53, 0xef] || get32(&superblock, 0x60) & SEED == 0 {
            return Err(reader.strange("its data filesystem is not one of ours"));
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&superblock[0x68..0x78]);
        if *old.get_or_insert(uuid) != uuid {
            return Err(reader.strange("its superblocks differ"));
        }
        superblock[0x68..0x78].copy_from_slice(ids.data_filesystem.as_bytes());
        let sum = crc32c(&superblock[..0x3fc]);
        put32(&mut superblock, 0x3fc, sum);
        patches.push(Patch { offset: at, bytes: superblock });
    }
    let old = old.ok_or_else(|| reader.strange("it has no data filesystem"))?;
    Ok(Uuid::from_bytes(old).to_string())
}

/// The groups with a copy: with sparse_super 0, 1 and the powers of 3, 5 and 7.
fn groups_with_superblock(groups: u64) -> Vec<u64> {
    let mut found = vec![0, 1];
    for base in [3_u64, 5, 7] {
        found
            .extend((1..).map_while(|power| base.checked_pow(power)).take_while(|it| *it < groups));
    }
    found.retain(|group| *group < groups);
    found
}

/// The serial number, and `heirloom.data=` in the entries: nothing else has this text.
fn boot_partition(
    reader: &Reader<'_>,
    boot: Part,
    old: &str,
    ids: &Ids,
    patches: &mut Vec<Patch>,
) -> Result<()> {
    let sector = reader.at(boot.start, SECTOR)?;
    let copy = u64::from(u16::from_le_bytes([sector[50], sector[51]]));
    if &sector[82..90] != b"FAT32   " || copy == 0 {
        return Err(reader.strange("its boot partition is no FAT32"));
    }
    for offset in [boot.start, boot.start + copy * SECTOR] {
        patches.push(Patch { offset: offset + 67, bytes: ids.boot_serial.to_le_bytes().into() });
    }
    let old = format!("heirloom.data={old}");
    let new = format!("heirloom.data={}", ids.data_filesystem);
    let found = patches.len();
    /// Read at a time.
    const PIECE: u64 = 1 << 20;
    let mut from = 0;
    while from < boot.length {
        // So far into the next that a text across the border is seen, once.
        let length = (PIECE + old.len() as u64 - 1).min(boot.length - from);
        let bytes = reader.at(boot.start + from, length)?;
        for at in places(&bytes, old.as_bytes()) {
            let offset = boot.start + from + at as u64;
            patches.push(Patch { offset, bytes: new.clone().into_bytes() });
        }
        from += PIECE;
    }
    if patches.len() == found {
        return Err(reader.strange("its boot entries name another data filesystem"));
    }
    Ok(())
}

fn places(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == text[0]) {
        from += at;
        if bytes[from..].starts_with(text) {
            found.push(from);
        }
        from += 1;
    }
    found
}

fn put32(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_a_superblock_are_where_sparse_super_has_them() {
        assert_eq!(groups_with_superblock(1), [0]);
        assert_eq!(groups_with_superblock(8), [0, 1, 3, 5, 7]);
        assert_eq!(groups_with_superblock(50), [0, 1, 3, 9, 27, 5, 25, 7, 49]);
    }

    #[test]
    fn a_patch_is_put_across_the_borders_of_blocks() {
        let patches = [Patch { offset: 6, bytes: vec![1, 2, 3, 4] }];
        let mut bytes = [0; 12];
        for (at, block) in bytes.chunks_mut(4).enumerate() {
            apply(&patches, 4 * at as u64, block);
        }
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0]);
    }

    #[test]
    fn no_two_installations_have_the_same() {
        let (one, other) = (Ids::random().unwrap(), Ids::random().unwrap());
        assert_ne!(one, other);
        assert_ne!(one.partitions[0], one.partitions[1]);
        assert_eq!(one.disk.get_version_num(), 4);
    }

    #[test]
    fn what_is_no_image_of_ours_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for length in [0, 512, 1 << 20] {
            file.as_file().set_len(length).unwrap();
            let error = patches(file.path(), &Ids::random().unwrap()).unwrap_err();
            assert!(matches!(error, Error::NoIds { .. }), "{error}");
        }
    }
}
