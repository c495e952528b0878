use std::os::unix::fs::FileExt;

use super::*;

const RESERVED: u64 = 32;
const FAT: u64 = 8;
const COPY: u64 = FAT * 512;
const FAT_AT: u64 = RESERVED * 512;
const DATA_AT: u64 = FAT_AT + 2 * COPY;

/// A FAT32 with the root (cluster 2), a folder (3) and a file of 700 bytes in it (4, 5).
fn volume() -> File {
    let file = tempfile::tempfile().unwrap();
    let mut sector = [0; 512];
    sector[11..13].copy_from_slice(&512u16.to_le_bytes());
    sector[13] = 1;
    sector[14..16].copy_from_slice(&(RESERVED as u16).to_le_bytes());
    sector[16] = 2;
    let total = RESERVED as u32 + 2 * FAT as u32 + 900;
    sector[32..36].copy_from_slice(&total.to_le_bytes());
    sector[36..40].copy_from_slice(&(FAT as u32).to_le_bytes());
    sector[44..48].copy_from_slice(&2u32.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    file.write_all_at(&sector, 0).unwrap();
    file.set_len(u64::from(total) * 512).unwrap();
    for (cluster, next) in
        [(0, 0x0fff_fff8), (1, ENTRY), (2, ENTRY), (3, ENTRY), (4, 5), (5, ENTRY)]
    {
        set(&file, cluster, next);
    }
    entry(&file, 2, b"LOADER     ", DIRECTORY, 3, 0);
    entry(&file, 3, b"ENTRY   CFG", 0x20, 4, 700);
    file
}

fn set(file: &File, cluster: u32, next: u32) {
    for copy in 0..2 {
        file.write_all_at(&next.to_le_bytes(), FAT_AT + copy * COPY + u64::from(cluster) * 4)
            .unwrap();
    }
}

fn entry(file: &File, directory: u32, name: &[u8; 11], kind: u8, cluster: u32, size: u32) {
    let mut bytes = [0; 32];
    bytes[..11].copy_from_slice(name);
    bytes[11] = kind;
    bytes[20..22].copy_from_slice(&((cluster >> 16) as u16).to_le_bytes());
    bytes[26..28].copy_from_slice(&(cluster as u16).to_le_bytes());
    bytes[28..].copy_from_slice(&size.to_le_bytes());
    file.write_all_at(&bytes, DATA_AT + u64::from(directory - 2) * 512).unwrap();
}

fn problems(file: &File) -> Vec<String> {
    let found = check(file).unwrap();
    assert!(repair(file, &found).unwrap().is_empty(), "nothing is repaired beside damage");
    found.problems
}

#[test]
fn a_whole_filesystem_has_nothing_to_say() {
    let file = volume();
    assert_eq!(check(&file).unwrap(), Found::default());
    assert!(repair(&file, &Found::default()).unwrap().is_empty());
}

#[test]
fn a_mark_that_it_was_not_unmounted_is_taken_away() {
    let in_sector = volume();
    in_sector.write_all_at(&[1], STATE as u64).unwrap();
    let in_fat = volume();
    set(&in_fat, 1, ENTRY & !CLEAN);
    for file in [in_sector, in_fat] {
        let found = check(&file).unwrap();
        assert_eq!(found, Found { dirty: true, ..Found::default() });
        assert_eq!(repair(&file, &found).unwrap().len(), 1);
        assert_eq!(check(&file).unwrap(), Found::default());
    }
}

#[test]
fn copies_that_differ_are_made_equal_where_the_first_is_whole() {
    let file = volume();
    file.write_all_at(&[7], FAT_AT + COPY + 400).unwrap();
    let found = check(&file).unwrap();
    assert_eq!(found, Found { copies_differ: true, ..Found::default() });
    assert!(repair(&file, &found).unwrap()[0].contains("second copy"));
    assert_eq!(check(&file).unwrap(), Found::default());
}

#[test]
fn clusters_that_belong_to_nothing_are_counted() {
    let file = volume();
    set(&file, 9, 10);
    set(&file, 10, ENTRY);
    set(&file, 11, BAD);
    assert_eq!(check(&file).unwrap(), Found { unused: 2, ..Found::default() });
}

#[test]
fn damage_is_named_with_the_file_that_has_it() {
    let file = volume();
    set(&file, 4, 3);
    assert!(problems(&file)[0].contains("/LOADER/ENTRY.CFG shares clusters"));
    let file = volume();
    set(&file, 5, 5000);
    assert!(problems(&file)[0].contains("/LOADER/ENTRY.CFG goes on outside"));
    let file = volume();
    set(&file, 4, ENTRY);
    assert!(problems(&file)[0].contains("/LOADER/ENTRY.CFG has 700 bytes in 1 clusters"));
    let file = volume();
    set(&file, 3, 0);
    assert!(problems(&file)[0].contains("/LOADER goes on outside"));
}

#[test]
fn what_is_no_fat32_is_said_and_never_written() {
    let file = volume();
    file.write_all_at(&[0, 0], 510).unwrap();
    assert!(problems(&file)[0].contains("no boot sector"));
    let file = volume();
    file.write_all_at(&[3], 13).unwrap();
    assert!(problems(&file)[0].contains("FAT32"));
    let file = volume();
    file.write_all_at(&[0xff; 4], 36).unwrap();
    assert!(problems(&file)[0].contains("FAT32"));
}

#[test]
fn a_root_without_end_is_an_end() {
    let file = volume();
    set(&file, 2, 2);
    assert!(problems(&file)[0].contains("its root shares clusters"));
}
