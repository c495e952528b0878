//! Nothing is tried unless the default, to which a failed trial goes back, could be started again.

#![cfg(test)]

mod ground;

use std::fs;

use agent::trials::Terms;
use agent::{Error, Running, Server};
use boot::model::{Firmware, Memory};
use boot::{Entry, Partition};
use digest::Digest;
use generation::{Descriptor, Layout, Manifest};
use ground::{data, generation, install, put, serve};
use tempfile::TempDir;

struct Ground {
    disk: TempDir,
    state: TempDir,
    first: Manifest,
    partition: Memory,
}

impl Ground {
    /// Generation 1 runs, and 2 is there.
    fn new(firmware: Firmware) -> (Self, Server<Memory>) {
        let (disk, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (first, partition) = install(disk.path());
        let ground = Self { disk, state, first, partition };
        let mut server = ground.server(firmware);
        // With a kernel of its own.
        let (second, _, blobs) = generation(7);
        put(server.layout(), &second, &blobs);
        server.stage(&second, Default::default()).unwrap();
        (ground, server)
    }

    fn server(&self, firmware: Firmware) -> Server<Memory> {
        let running = Running { generation: self.first.digest(), trial: false, data: data() };
        serve(firmware, &self.disk, &self.state, self.partition.clone(), running)
    }

    fn layout(&self) -> Layout {
        Layout::open(self.disk.path()).unwrap()
    }

    fn entry(&self) -> Entry {
        let config = self.layout().config(&self.first).unwrap();
        Entry::new(1, &self.first, &config, &data()).unwrap()
    }
}

/// Other bytes of the same length.
fn damage(partition: &mut Memory, path: &str) {
    partition.overwrite(path, 3, b"?").unwrap();
}

/// The default starts, with the kernel and the initramfs that it names.
fn starts(server: &Server<Memory>, firmware: Firmware, entry: &Entry) {
    let mut partition = server.boot().partition().clone();
    // The trial that was armed ends, whatever comes of it.
    firmware.start(&mut partition).unwrap();
    let started = firmware.start(&mut partition).unwrap();
    assert_eq!(started.cmdline, entry.cmdline);
    for (path, digest) in
        [(entry.kernel_path(), entry.kernel), (entry.initramfs_path(), entry.initramfs)]
    {
        assert_eq!(Digest::of(partition.read(&path).unwrap().unwrap()), digest, "{path}");
    }
}

#[test]
fn what_is_damaged_of_the_way_back_is_written_again_before_a_trial() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let (ground, mut server) = Ground::new(firmware);
        let entry = ground.entry();
        assert_eq!(
            server.switch(2, Terms::default()).unwrap(),
            Vec::<String>::new(),
            "all is well"
        );
        server.boot_mut().disarm().unwrap();
        for path in [entry.kernel_path(), entry.initramfs_path()] {
            damage(server.boot_mut().partition_mut(), &path);
            let mended = server.switch(2, Terms::default()).unwrap();
            assert_eq!(mended, [format!("{path} was damaged")]);
            server.boot_mut().disarm().unwrap();
            server.boot_mut().partition_mut().remove(&path).unwrap();
            assert_eq!(
                server.switch(2, Terms::default()).unwrap(),
                [format!("{path} was damaged")]
            );
            starts(&server, firmware, &entry);
            server.boot_mut().disarm().unwrap();
        }
    }
}

#[test]
fn an_entry_with_another_command_line_is_written_again() {
    for (firmware, path) in
        [(Firmware::Bios, "heirloom/0.cfg"), (Firmware::Uefi, "loader/entries/heirloom-1-1.conf")]
    {
        let (ground, mut server) = Ground::new(firmware);
        let entry = ground.entry();
        let partition = server.boot_mut().partition_mut();
        let text = String::from_utf8(partition.read(path).unwrap().unwrap()).unwrap();
        let at = text.find("console=").unwrap();
        partition.overwrite(path, at as u64, b"cXnsole=").unwrap();
        let mended = server.switch(2, Terms::default()).unwrap();
        assert_eq!(mended, ["the entry of generation 1 was another"]);
        starts(&server, firmware, &entry);
    }
}

#[test]
fn nothing_is_tried_while_the_default_is_not_whole() {
    let (ground, mut server) = Ground::new(Firmware::Uefi);
    let layout = ground.layout();
    let kernel = ground.first.kernel().unwrap().digest;
    let config: &Descriptor = &ground.first.config;
    let bytes = fs::read(layout.blob(kernel)).unwrap();
    layout.mark_damaged(kernel).unwrap();
    let error = server.switch(2, Terms::default()).unwrap_err();
    assert!(matches!(error, Error::NoWayBack { number: 1, .. }), "{error}");
    assert_eq!(server.boot().read().unwrap().armed, None);
    assert!(error.hint().unwrap().contains("deploy it again"));

    // It has come again.
    let blob = ground.first.kernel().unwrap();
    layout.insert(&bytes[..], blob).unwrap();
    fs::write(layout.blob(config.digest), "{}").unwrap();
    let error = server.switch(2, Terms::default()).unwrap_err();
    assert!(matches!(error, Error::NoWayBack { .. }), "{error}");
    // Damaged on both sides, it cannot be mended.
    let config = ground.first.config.clone();
    layout.mark_damaged(config.digest).unwrap();
    layout.insert(&ground::config(0).to_bytes()[..], &config).unwrap();
    damage(server.boot_mut().partition_mut(), &ground.entry().kernel_path());
    fs::write(layout.blob(kernel), "?").unwrap();
    let error = server.switch(2, Terms::default()).unwrap_err();
    assert!(matches!(error, Error::NoWayBack { .. }), "{error}");
    assert_eq!(server.boot().read().unwrap().armed, None);
}
