//! A server that is a temporary directory, and generations to send to it.

#![allow(dead_code)] // Each test file uses a part of it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use digest::Digest;
use generation::layout::Entry;
use generation::{Config, Descriptor, Index, LayerFormat, Layout, Manifest, Verity, manifest};
use proptest::prelude::prop;
use tempfile::TempDir;
use transfer::report::Staged;
use transfer::{Client, Host, Needs, Refusal, Result};

/// Bytes that nothing compresses.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A generation and its blobs in files.
pub(crate) struct Generation {
    pub(crate) manifest: Manifest,
    files: TempDir,
}

impl Generation {
    pub(crate) fn layer(&self) -> &Descriptor {
        &self.manifest.layers[2]
    }

    pub(crate) fn path(&self, blob: &Descriptor) -> PathBuf {
        self.files.path().join(blob.digest.hex())
    }
}

/// A generation with this layer, padded to whole blocks.
pub(crate) fn generation(number: u64, layer: &[u8]) -> Generation {
    let config = Config {
        server: "mail".into(),
        hostname: "mail".into(),
        board: "pc".into(),
        distribution: "debian".into(),
        architecture: "amd64".into(),
        cmdline: String::new(),
        lock: Digest::of("lock"),
        epoch: number,
        health_within: 1,
        state: Vec::new(),
    };
    let data_blocks = (layer.len() as u64).div_ceil(4096).max(2);
    let verity = Verity { root: Digest::of("r"), salt: Verity::zero_salt(), data_blocks };
    let mut layer = layer.to_vec();
    layer.resize(verity.blob_size() as usize, 0);
    let (kernel, initramfs) = (noise(900, 20_000), noise(901, 10_000));
    let manifest = Manifest::new(
        config.descriptor(),
        Descriptor::of(manifest::MEDIA_TYPE_KERNEL, &kernel),
        Descriptor::of(manifest::MEDIA_TYPE_INITRAMFS, &initramfs),
        vec![Descriptor::filesystem(LayerFormat::Squashfs, Digest::of(&layer), &verity)],
    )
    .unwrap();
    let files = tempfile::tempdir().unwrap();
    for bytes in [config.to_bytes(), kernel, initramfs, layer] {
        std::fs::write(files.path().join(Digest::of(&bytes).hex()), bytes).unwrap();
    }
    Generation { manifest, files }
}

#[derive(Clone, Default)]
pub(crate) struct FakeHost {
    pub(crate) no_room: Option<Refusal>,
    pub(crate) not_ours: Option<Refusal>,
    pub(crate) layout: Option<Layout>,
    pub(crate) calls: Arc<Mutex<Vec<&'static str>>>,
    pub(crate) annotations: Arc<Mutex<BTreeMap<String, String>>>,
}

impl FakeHost {
    fn call(&self, name: &'static str) {
        self.calls.lock().unwrap().push(name);
    }
}

fn unless(refusal: &Option<Refusal>) -> std::result::Result<(), Refusal> {
    refusal.clone().map_or(Ok(()), Err)
}

impl Host for FakeHost {
    fn identity(&mut self) -> std::result::Result<(String, String), Refusal> {
        self.call("identity");
        Ok(("mail".into(), "pc".into()))
    }

    fn layout(&self) -> &Layout {
        self.layout.as_ref().unwrap()
    }

    fn bases(&mut self) -> std::result::Result<Vec<Digest>, Refusal> {
        self.call("bases");
        let index = self.layout().index().unwrap();
        Ok(index.manifests.iter().rev().map(|entry| entry.digest).collect())
    }

    fn fits(&mut self, _: &Manifest, _: u64) -> std::result::Result<(), Refusal> {
        self.call("fits");
        unless(&self.no_room)
    }

    fn make_room(&mut self, _: &Manifest, _: u64) -> std::result::Result<(), Refusal> {
        self.call("make_room");
        unless(&self.no_room)
    }

    fn check(&mut self, _: &Manifest, config: &Config) -> std::result::Result<(), Refusal> {
        self.call("check");
        assert_eq!(config.server, "mail");
        unless(&self.not_ours)
    }

    fn stage(
        &mut self,
        manifest: &Manifest,
        annotations: BTreeMap<String, String>,
    ) -> std::result::Result<Staged, Refusal> {
        self.call("stage");
        *self.annotations.lock().unwrap() = annotations;
        let mut index = self.layout().index().unwrap();
        let generation = manifest.digest();
        let position = index.manifests.iter().position(|entry| entry.digest == generation);
        let number = position.unwrap_or(index.manifests.len()) as u64 + 1;
        if position.is_none() {
            index.manifests.push(Entry::new(manifest, BTreeMap::new()));
            self.layout().set_index(&Index::new(index.manifests)).unwrap();
        }
        Ok(Staged {
            number,
            generation,
            already: position.is_some(),
            removed: vec![],
            failed: None,
        })
    }
}

pub(crate) struct Server {
    dir: TempDir,
    host: FakeHost,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(FakeHost::default())
    }

    pub(crate) fn with(mut host: FakeHost) -> Self {
        let dir = tempfile::tempdir().unwrap();
        host.layout = Some(Layout::create(dir.path().join("imgs")).unwrap());
        Self { dir, host }
    }

    pub(crate) fn host(&self) -> FakeHost {
        self.host.clone()
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::open(self.dir.path().join("imgs")).unwrap()
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.host.calls.lock().unwrap().clone()
    }

    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        self.host.annotations.lock().unwrap().clone()
    }

    /// Sends `new`, with deltas against `base`: what was staged, and how many bytes were sent.
    pub(crate) fn deploy(
        &self,
        new: &Generation,
        base: Option<&Generation>,
    ) -> Result<(Staged, u64)> {
        self.over(Pass, |read, write| send(read, write, new, base, BTreeMap::new()))
    }

    pub(crate) fn deploy_annotated(
        &self,
        new: &Generation,
        annotations: BTreeMap<String, String>,
    ) -> Result<(Staged, u64)> {
        self.over(Pass, |read, write| send(read, write, new, None, annotations))
    }

    /// The same over a connection that ends after so many bytes.
    pub(crate) fn deploy_until(
        &self,
        new: &Generation,
        base: Option<&Generation>,
        bytes: u64,
    ) -> Result<(Staged, u64)> {
        self.over(Cut(bytes), |read, write| send(read, write, new, base, BTreeMap::new()))
    }

    /// The same over a connection that flips a bit somewhere.
    pub(crate) fn deploy_altered(
        &self,
        new: &Generation,
        base: Option<&Generation>,
        at: prop::sample::Index,
        bit: u8,
    ) -> Result<(Staged, u64)> {
        let length = 2000 + new.manifest.blobs().map(|blob| blob.size as usize).sum::<usize>() / 2;
        let flip = Flip { at: at.index(length), bit };
        self.over(flip, |read, write| send(read, write, new, base, BTreeMap::new()))
    }

    pub(crate) fn dry_run(&self, new: &Generation) -> Needs {
        self.try_dry_run(new).unwrap()
    }

    pub(crate) fn try_dry_run(&self, new: &Generation) -> Result<Needs> {
        self.over(Pass, |read, write| {
            let (mut client, _) = Client::connect(read, write)?;
            client.offer(&new.manifest, true)
        })
    }

    fn over<T>(
        &self,
        line: impl Line,
        client: impl FnOnce(UnixStream, Damaged) -> Result<T>,
    ) -> Result<T> {
        let (here, there) = UnixStream::pair().unwrap();
        let mut host = self.host();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // What goes wrong here is told to the client, or the client has caused it.
                let _ = transfer::serve(&there, &there, &mut host);
                there.shutdown(std::net::Shutdown::Both).unwrap();
            });
            let write = Damaged { inner: here.try_clone().unwrap(), line: Box::new(line), at: 0 };
            let done = client(here.try_clone().unwrap(), write);
            here.shutdown(std::net::Shutdown::Both).ok();
            done
        })
    }
}

fn send(
    read: impl Read,
    write: impl Write,
    new: &Generation,
    base: Option<&Generation>,
    annotations: BTreeMap<String, String>,
) -> Result<(Staged, u64)> {
    let (mut client, greeting) = Client::connect(read, write)?;
    assert_eq!(greeting.server, "mail");
    let needs = client.offer(&new.manifest, false)?;
    let mut sent = 0;
    for need in needs.blobs {
        let blob = new.manifest.blobs().find(|blob| blob.digest == need.digest).unwrap();
        let base = base.filter(|_| blob == new.layer());
        let path = base.map(|base| base.path(base.layer()));
        let base: Option<(Digest, &Path)> =
            base.zip(path.as_deref()).map(|(base, path)| (base.layer().digest, path));
        sent += client.send(blob, &new.path(blob), need.have, base, &mut |_| {})?.sent;
    }
    Ok((client.stage(annotations)?, sent))
}

/// What a connection does to the bytes that go through it.
pub(crate) trait Line: 'static {
    /// How many of `length` bytes at `at` get through; none: it is cut.
    fn through(&self, at: u64, length: usize) -> usize;
    fn alter(&self, at: u64, bytes: &mut [u8]);
}

struct Pass;
struct Cut(u64);
struct Flip {
    at: usize,
    bit: u8,
}

impl Line for Pass {
    fn through(&self, _: u64, length: usize) -> usize {
        length
    }
    fn alter(&self, _: u64, _: &mut [u8]) {}
}

impl Line for Cut {
    fn through(&self, at: u64, length: usize) -> usize {
        length.min(self.0.saturating_sub(at) as usize)
    }
    fn alter(&self, _: u64, _: &mut [u8]) {}
}

impl Line for Flip {
    fn through(&self, _: u64, length: usize) -> usize {
        length
    }
    fn alter(&self, at: u64, bytes: &mut [u8]) {
        let index = self.at.checked_sub(at as usize);
        if let Some(byte) = index.and_then(|index| bytes.get_mut(index)) {
            *byte ^= 1 << self.bit;
        }
    }
}

pub(crate) struct Damaged {
    inner: UnixStream,
    line: Box<dyn Line>,
    at: u64,
}

impl Write for Damaged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.line.through(self.at, bytes.len());
        if length == 0 && !bytes.is_empty() {
            self.inner.shutdown(std::net::Shutdown::Both).unwrap();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut bytes = bytes[..length].to_vec();
        self.line.alter(self.at, &mut bytes);
        self.inner.write_all(&bytes)?;
        self.at += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
