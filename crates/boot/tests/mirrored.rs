//! The two boot partitions of a mirror: whichever disk is left, it starts what the server was to
//! start.

#![cfg(test)]

use std::fs;
use std::path::PathBuf;

use boot::mirrored::Compare;
use boot::model::{Firmware, Memory};
use boot::{
    BootControl, BootPartition, Editing, Entry, Mirrored, Partition, Syslinux, SystemdBoot,
};
use digest::Digest;
use tempfile::TempDir;

const FIRMWARE: [Firmware; 2] = [Firmware::Bios, Firmware::Uefi];

fn entry(number: u64) -> Entry {
    Entry {
        number,
        title: format!("web, generation {number}"),
        cmdline: format!("number={number}"),
        trial_cmdline: format!("number={number} heirloom.trial"),
        kernel: Digest::of(format!("kernel {number}")),
        initramfs: Digest::of(format!("initramfs {number}")),
    }
}

fn blobs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..4 {
        for what in ["kernel", "initramfs"] {
            let name = format!("{what} {number}");
            fs::write(folder.path().join(&name), &name).unwrap();
        }
    }
    folder
}

fn image() -> Memory {
    let first = entry(1);
    let mut files = vec![
        (first.kernel_path(), b"kernel 1".to_vec()),
        (first.initramfs_path(), b"initramfs 1".to_vec()),
        ("ldlinux.sys".to_owned(), vec![0; 2048]),
    ];
    let texts = Syslinux::first(&first);
    let texts = texts.into_iter().chain(SystemdBoot::first(&first, Editing::Refused));
    files.extend(texts.map(|(path, text)| (path, text.into_bytes())));
    Memory::new(files)
}

fn server(firmware: Firmware, first: Memory, second: Memory) -> BootPartition<Mirrored<Memory>> {
    let (uefi, bios): (Box<dyn BootControl>, Box<dyn BootControl>) =
        (Box::new(SystemdBoot), Box::new(Syslinux));
    let both = Mirrored::new(first, Some(second));
    match firmware {
        Firmware::Uefi => BootPartition::new(both, uefi, vec![bios]),
        Firmware::Bios => BootPartition::new(both, bios, vec![uefi]),
    }
}

fn update(server: &mut BootPartition<Mirrored<Memory>>, blobs: &TempDir) -> boot::Result<()> {
    let files = |number: u64| -> [PathBuf; 2] {
        ["kernel", "initramfs"].map(|what| blobs.path().join(format!("{what} {number}")))
    };
    let [kernel, initramfs] = files(2);
    server.arm(&entry(2), &kernel, &initramfs)?;
    server.confirm(&entry(2), &kernel, &initramfs)?;
    let [kernel, initramfs] = files(3);
    server.arm(&entry(3), &kernel, &initramfs)?;
    server.remove(1)
}

fn files(memory: &Memory) -> Vec<(String, Vec<u8>)> {
    let paths: Vec<String> = memory.list_all().map(str::to_owned).collect();
    paths.into_iter().map(|path| (path.clone(), memory.file(&path).unwrap().to_vec())).collect()
}

/// Both disks as they are, taken out of the machine.
fn taken_out(server: &BootPartition<Mirrored<Memory>>) -> [Memory; 2] {
    let both = server.partition();
    [both.first().clone(), both.second().unwrap().clone()]
}

#[test]
fn either_disk_starts_what_was_armed_and_confirmed() {
    let blobs = blobs();
    for firmware in FIRMWARE {
        let mut server = server(firmware, image(), image());
        update(&mut server, &blobs).unwrap();
        let [first, second] = taken_out(&server);
        assert_eq!(files(&first), files(&second));
        for mut disk in [first, second] {
            let [trial, after] = [(); 2].map(|()| firmware.start(&mut disk).unwrap().cmdline);
            assert_eq!((trial.as_str(), after.as_str()), ("number=3 heirloom.trial", "number=2"));
        }
    }
}

#[test]
fn whenever_the_power_fails_the_second_is_brought_in_step_and_starts_the_same() {
    let blobs = blobs();
    for firmware in FIRMWARE {
        for (failing, operations) in (0..2).flat_map(|disk| (0..60).map(move |at| (disk, at))) {
            let mut disks = [image(), image()];
            disks[failing].power(Some(operations), 7);
            let [first, second] = disks;
            let mut before = server(firmware, first, second);
            let ended = update(&mut before, &blobs);
            assert!(failing == 0 || ended.is_ok(), "the first does without the second");
            let first = before.partition().first().clone();
            // The second's own power went when the first's did: a disk of its time.
            let Some(second) = before.partition().second().cloned() else { continue };
            let [mut first, mut second] = [first, second].map(|mut disk| {
                disk.power(None, 0);
                disk
            });
            // Alone it starts something whole, before it is in step too.
            assert!(firmware.start(&mut second.clone()).is_some(), "{firmware:?} {operations}");
            let mut both = Mirrored::new(first.clone(), Some(second.clone()));
            both.bring_in_step(Compare::Bytes).unwrap();
            assert_eq!(files(both.first()), files(both.second().unwrap()));
            assert!(both.bring_in_step(Compare::Bytes).unwrap().is_empty());
            second = both.second().unwrap().clone();
            let [one, other] = [&mut first, &mut second].map(|disk| firmware.start(disk));
            assert_eq!(one.map(|it| it.cmdline), other.map(|it| it.cmdline));
        }
    }
}

#[test]
fn a_mark_that_the_bootloader_took_from_the_first_is_taken_from_the_second() {
    let blobs = blobs();
    for firmware in FIRMWARE {
        let mut server = server(firmware, image(), image());
        update(&mut server, &blobs).unwrap();
        let [mut first, second] = taken_out(&server);
        assert_eq!(firmware.start(&mut first).unwrap().cmdline, "number=3 heirloom.trial");
        let mut both = Mirrored::new(first, Some(second));
        assert!(!both.bring_in_step(Compare::Names).unwrap().is_empty());
        let mut second = both.second().unwrap().clone();
        assert_eq!(firmware.start(&mut second).unwrap().cmdline, "number=2");
    }
}

#[test]
fn a_second_disk_that_cannot_be_written_is_left_out_and_named() {
    let blobs = blobs();
    let mut broken = image();
    broken.power(Some(0), 0);
    let mut server = server(Firmware::Bios, image(), broken);
    update(&mut server, &blobs).unwrap();
    assert!(server.partition().second().is_none());
    assert!(server.partition().left_out().is_some());
    let mut first = server.partition().first().clone();
    assert_eq!(Firmware::Bios.start(&mut first).unwrap().cmdline, "number=3 heirloom.trial");
}

#[test]
fn a_kernel_that_came_half_is_made_whole() {
    let (first, mut second) = (image(), image());
    let path = entry(1).kernel_path();
    second.put(&path, b"kernel 9".to_vec());
    let mut both = Mirrored::new(first, Some(second));
    assert!(both.bring_in_step(Compare::Names).unwrap().is_empty(), "it has the right length");
    assert_eq!(both.bring_in_step(Compare::Bytes).unwrap(), std::slice::from_ref(&path));
    assert_eq!(both.second().unwrap().read(&path).unwrap().unwrap(), b"kernel 1");
}
