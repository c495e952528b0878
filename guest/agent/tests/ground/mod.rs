//! A server that is a temporary directory and a boot partition in memory.

#![allow(dead_code)] // Each test file uses a part of it.

use std::collections::BTreeMap;
use std::path::Path;

use agent::trials::Terms;
use agent::{Running, Server};
use boot::model::{Firmware, Memory};
use boot::{BootControl, BootPartition, Editing, Entry, Syslinux, SystemdBoot};
use digest::Digest;
use generation::cmdline::Data;
use generation::{Config, Descriptor, Index, LayerFormat, Layout, Manifest, Verity, manifest};
use tempfile::TempDir;

/// Where all blobs are.
pub(crate) fn data() -> Data {
    Data::Ext4("0f1e2d3c-4b5a-8978-8695-a4b3c2d1e0f0".into())
}

pub(crate) fn config(version: u32) -> Config {
    Config {
        server: "mail".into(),
        hostname: format!("mail{version}"),
        board: "pc".into(),
        distribution: "debian".into(),
        architecture: "amd64".into(),
        cmdline: "console=ttyS0".into(),
        lock: Digest::of("lock"),
        epoch: 0,
        health_within: 60,
        state: Vec::new(),
    }
}

/// A generation and its blobs; some share a kernel, and all an initramfs.
pub(crate) fn generation(version: u32) -> (Manifest, Config, Vec<(Descriptor, Vec<u8>)>) {
    let kernel = format!("kernel {}", version / 3).into_bytes();
    let initramfs = b"initramfs".to_vec();
    let verity =
        Verity { root: Digest::of(version.to_string()), salt: Verity::zero_salt(), data_blocks: 2 };
    let mut layer = vec![0; usize::try_from(verity.blob_size()).unwrap()];
    layer[0] = u8::try_from(version).unwrap();
    let config = config(version);
    let blobs = vec![
        (config.descriptor(), config.to_bytes()),
        (Descriptor::of(manifest::MEDIA_TYPE_KERNEL, &kernel), kernel),
        (Descriptor::of(manifest::MEDIA_TYPE_INITRAMFS, &initramfs), initramfs),
        (Descriptor::filesystem(LayerFormat::Squashfs, Digest::of(&layer), &verity), layer),
    ];
    let [config_blob, kernel, initramfs, layer] =
        [0, 1, 2, 3].map(|place: usize| blobs[place].0.clone());
    let manifest = Manifest::new(config_blob, kernel, initramfs, vec![layer]).unwrap();
    (manifest, config, blobs)
}

/// Puts generation 0 on an empty disk, as number 1 and confirmed; its boot partition.
pub(crate) fn install(disk: &Path) -> (Manifest, Memory) {
    let layout = Layout::create(disk).unwrap();
    let (manifest, config, blobs) = generation(0);
    put(&layout, &manifest, &blobs);
    layout.set_index(&Index::first(&manifest, BTreeMap::new())).unwrap();
    let entry = Entry::new(1, &manifest, &config, &data()).unwrap();
    let mut files = vec![
        (entry.kernel_path(), blobs[1].1.clone()),
        (entry.initramfs_path(), blobs[2].1.clone()),
        ("ldlinux.sys".to_owned(), vec![0; 2048]),
    ];
    let texts = Syslinux::first(&entry);
    let texts = texts.into_iter().chain(SystemdBoot::first(&entry, Editing::Refused));
    files.extend(texts.map(|(path, text)| (path, text.into_bytes())));
    (manifest, Memory::new(files))
}

/// Installs generation 0 and switches to another, number 2, which the firmware starts next; that
/// generation, and the boot partition.
pub(crate) fn switched(disk: &TempDir, state: &TempDir) -> (Manifest, Memory) {
    let (first, partition) = install(disk.path());
    let running = Running { generation: first.digest(), trial: false, data: data() };
    let mut server = serve(Firmware::Uefi, disk, state, partition, running);
    let (second, _, blobs) = generation(1);
    put(server.layout(), &second, &blobs);
    server.stage(&second, BTreeMap::new()).unwrap();
    server.switch(2, Terms::default()).unwrap();
    (second, server.boot().partition().clone())
}

pub(crate) fn serve(
    firmware: Firmware,
    disk: &TempDir,
    state: &TempDir,
    partition: Memory,
    running: Running,
) -> Server<Memory> {
    let (uefi, bios): (Box<dyn BootControl>, Box<dyn BootControl>) =
        (Box::new(SystemdBoot), Box::new(Syslinux));
    let boot = match firmware {
        Firmware::Uefi => BootPartition::new(partition, uefi, vec![bios]),
        Firmware::Bios => BootPartition::new(partition, bios, vec![uefi]),
    };
    Server::new(Layout::open(disk.path()).unwrap(), boot, state.path(), running)
}

pub(crate) fn other(firmware: Firmware) -> Firmware {
    match firmware {
        Firmware::Uefi => Firmware::Bios,
        Firmware::Bios => Firmware::Uefi,
    }
}

pub(crate) fn put(layout: &Layout, manifest: &Manifest, blobs: &[(Descriptor, Vec<u8>)]) {
    for (descriptor, bytes) in blobs {
        layout.insert(&bytes[..], descriptor).unwrap();
    }
    let bytes = manifest.to_bytes();
    layout.insert(&bytes[..], &Descriptor::of(manifest::MEDIA_TYPE, &bytes)).unwrap();
}
