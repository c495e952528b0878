//! A transfer, however slow, keeps nobody else from the server.

#![cfg(test)]

mod ground;

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard};
use std::thread;

use agent::receive::Receiver;
use agent::server::Opened;
use agent::trials::Terms;
use agent::{Running, Server};
use boot::model::{Firmware, Memory};
use generation::{Descriptor, Layout, Manifest};
use ground::{data, generation, put, serve, switched};
use tempfile::TempDir;
use transfer::{Client, Refusal};

/// A server whose boot partition is a lock as well: who has it open has it alone.
struct Ground {
    disk: TempDir,
    state: TempDir,
    partition: Mutex<Memory>,
    running: Running,
}

struct Guard<'a> {
    server: Server<Memory>,
    partition: MutexGuard<'a, Memory>,
}

impl Opened for Guard<'_> {
    type Partition = Memory;

    fn server(&mut self) -> &mut Server<Memory> {
        &mut self.server
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        *self.partition = self.server.boot().partition().clone();
    }
}

impl Ground {
    /// Generation 2 is on trial.
    fn on_trial() -> Self {
        let (disk, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (second, mut partition) = switched(&disk, &state);
        Firmware::Uefi.start(&mut partition).unwrap();
        let running = Running { generation: second.digest(), trial: true, data: data() };
        let ground = Self { disk, state, partition: Mutex::new(partition), running };
        ground.open().server.begin_trial("this boot").unwrap();
        ground
    }

    /// Opens the server.
    ///
    /// # Panics
    /// When somebody else has it open: nobody here waits.
    fn open(&self) -> Guard<'_> {
        let partition = self.partition.try_lock().expect("somebody has the server open");
        let running = self.running.clone();
        let server = serve(Firmware::Uefi, &self.disk, &self.state, partition.clone(), running);
        Guard { server, partition }
    }

    fn layout(&self) -> Layout {
        self.open().server.layout().clone()
    }

    /// Runs the server's end of a transfer, and of the other end what `client` does.
    fn transfer<T>(
        &self,
        client: impl FnOnce(Client<UnixStream, UnixStream>) -> transfer::Result<T>,
    ) -> transfer::Result<T> {
        let (here, there) = UnixStream::pair().unwrap();
        let (layout, running) = (self.layout(), self.running.generation);
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut receiver = Receiver::new(layout, running, || Ok(self.open()));
                // What goes wrong here is told to the client.
                let _ = transfer::serve(&there, &there, &mut receiver);
                there.shutdown(std::net::Shutdown::Both).unwrap();
            });
            let done = Client::connect(here.try_clone().unwrap(), here.try_clone().unwrap())
                .and_then(|(connected, _)| client(connected));
            here.shutdown(std::net::Shutdown::Both).ok();
            done
        })
    }
}

fn files(blobs: &[(Descriptor, Vec<u8>)]) -> TempDir {
    let files = tempfile::tempdir().unwrap();
    for (blob, bytes) in blobs {
        std::fs::write(files.path().join(blob.digest.hex()), bytes).unwrap();
    }
    files
}

fn find(manifest: &Manifest, digest: digest::Digest) -> &Descriptor {
    manifest.blobs().find(|blob| blob.digest == digest).unwrap()
}

#[test]
fn a_blob_that_others_share_and_that_is_damaged_comes_again() {
    let ground = Ground::on_trial();
    assert!(ground.open().server.confirm().unwrap().unnoted.is_none());
    let (third, _, blobs) = generation(6);
    let layout = ground.layout();
    // All of it is there but for this: what another generation had brought.
    let kernel = third.kernel().unwrap();
    let (shared, bytes) = blobs.iter().find(|(blob, _)| blob == kernel).unwrap();
    for (blob, bytes) in &blobs {
        layout.insert(&bytes[..], blob).unwrap();
    }
    std::fs::write(layout.blob(shared.digest), vec![0; bytes.len()]).unwrap();
    assert_eq!(agent::scrub::scrub(&layout).unwrap().damaged, [shared.digest]);
    let files = files(&blobs);
    let staged = ground.transfer(|mut client| {
        let needs = client.offer(&third, false)?;
        assert_eq!(needs.blobs.iter().map(|it| it.digest).collect::<Vec<_>>(), [shared.digest]);
        client.send(shared, &files.path().join(shared.digest.hex()), 0, None, &mut |_| {})?;
        client.stage(BTreeMap::new())
    });
    staged.unwrap();
    assert_eq!(layout.damaged().unwrap(), []);
    assert_eq!(std::fs::read(layout.blob(shared.digest)).unwrap(), *bytes);
}

#[test]
fn a_trial_is_confirmed_and_another_is_armed_in_the_middle_of_a_transfer() {
    let ground = Ground::on_trial();
    let (third, _, blobs) = generation(6);
    let files = files(&blobs);
    let staged = ground
        .transfer(|mut client| {
            let needs = client.offer(&third, false)?;
            assert!(needs.blobs.len() > 2, "{needs:?}");
            for (count, need) in needs.blobs.iter().enumerate() {
                if count == 1 {
                    // Half of it is here: what the watch, and an owner, do now.
                    let mut guard = ground.open();
                    let server = guard.server();
                    assert_eq!(server.confirm().unwrap().number, 2);
                    server.pin(1, true).unwrap();
                    server.switch(1, Terms::default()).unwrap();
                    assert_eq!(server.list().unwrap().generations.len(), 2);
                }
                let blob = find(&third, need.digest);
                let path = files.path().join(blob.digest.hex());
                client.send(blob, &path, need.have, None, &mut |_| {})?;
            }
            client.stage(BTreeMap::new())
        })
        .unwrap();
    assert_eq!(staged.number, 3);
    let mut guard = ground.open();
    let server = guard.server();
    let catalog = server.catalog().unwrap();
    assert_eq!(catalog.all().len(), 3);
    assert!(catalog.get(1).unwrap().pinned, "what was changed meanwhile is lost");
    assert_eq!(catalog.confirmed()[0].number, 2);
    server.layout().verify(&third).unwrap();
}

#[test]
fn a_dry_run_is_refused_as_the_transfer_would_be_and_changes_nothing() {
    let ground = Ground::on_trial();
    let (_, config, mut blobs) = generation(7);
    let huge = Descriptor { size: 1 << 60, ..blobs[1].0.clone() };
    blobs[1].0 = huge.clone();
    let [initramfs, layer] = [2, 3].map(|at: usize| blobs[at].0.clone());
    let large = Manifest::new(config.descriptor(), huge, initramfs, vec![layer]).unwrap();
    let refused = |dry_run| -> Refusal {
        let offered = ground.transfer(|mut client| client.offer(&large, dry_run));
        match offered.unwrap_err() {
            transfer::Error::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    };
    // What a broken transfer has left is still there after a dry run.
    let (other, _, blobs) = generation(9);
    put(&ground.layout(), &other, &blobs);
    let left = ground.layout().blobs().unwrap();
    let dry = refused(true);
    assert!(dry.message.contains("the data partition has room for"), "{dry:?}");
    assert!(dry.help.is_some());
    let refusal = refused(false);
    assert!(refusal.message.contains("the data partition has room for"), "{refusal:?}");
    assert_eq!(refusal.help, dry.help);
    let (small, ..) = generation(7);
    ground.transfer(|mut client| client.offer(&small, true)).unwrap();
    assert_eq!(ground.layout().blobs().unwrap(), left);
    // The transfer itself begins with room.
    let begun = ground.transfer(|mut client| client.offer(&small, false));
    begun.unwrap();
    assert!(ground.layout().blobs().unwrap().len() < left.len());
}

#[test]
fn what_a_transfer_has_brought_stays_when_generations_go_for_a_kernel() {
    let ground = Ground::on_trial();
    let mut guard = ground.open();
    let server = guard.server();
    assert_eq!(server.confirm().unwrap().number, 2);
    for version in 3..13 {
        let (manifest, _, blobs) = generation(version);
        put(server.layout(), &manifest, &blobs);
        server.stage(&manifest, BTreeMap::new()).unwrap();
    }
    let (coming, _, blobs) = generation(20);
    for (blob, bytes) in &blobs[..3] {
        server.layout().insert(&bytes[..], blob).unwrap();
    }
    server.switch(12, Terms::default()).unwrap();
    assert!(server.catalog().unwrap().get(3).is_none(), "nothing had to go");
    assert_eq!(coming.blobs().filter(|blob| server.layout().contains(blob)).count(), 3);
    server.collect().unwrap();
    assert_eq!(coming.blobs().filter(|blob| server.layout().contains(blob)).count(), 1);
}
