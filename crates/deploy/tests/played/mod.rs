//! A server, played: what its agent would say, over a pair of sockets for each command.

#![allow(dead_code)] // Each test file uses a part of it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use deploy::{Connection, Ended, Transport, Wait};
use digest::Digest;
use generation::layout::Entry;
use generation::{Config, Descriptor, Index, LayerFormat, Layout, Manifest, Verity, manifest};
use image::{Blob, Bundle};
use tempfile::TempDir;
use transfer::report::{
    Failure, GenerationReport, Listed, Staged, Status, Switched, Trial, TrialState,
};
use transfer::{Host, Refusal};

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

/// A generation with these layers, its files in `dir`.
pub(crate) fn bundle(dir: &Path, packages: &[u8], config_layer: &[u8]) -> Bundle {
    let config = Config {
        server: "mail".into(),
        hostname: "mail".into(),
        board: "pc".into(),
        distribution: "debian".into(),
        architecture: "amd64".into(),
        cmdline: String::new(),
        lock: Digest::of("lock"),
        epoch: 7,
        health_within: 1,
        state: Vec::new(),
    };
    let blob = |media_type: &str, bytes: &[u8]| {
        let descriptor = Descriptor::of(media_type, bytes);
        let path = dir.join(descriptor.digest.hex());
        std::fs::write(&path, bytes).unwrap();
        Blob::new(descriptor, path)
    };
    let layer = |bytes: &[u8]| {
        let data_blocks = (bytes.len() as u64).div_ceil(4096).max(2);
        let verity = Verity { root: Digest::of("r"), salt: Verity::zero_salt(), data_blocks };
        let mut bytes = bytes.to_vec();
        bytes.resize(verity.blob_size() as usize, 0);
        let file = blob("", &bytes);
        let format = LayerFormat::Squashfs;
        Blob::new(Descriptor::filesystem(format, file.descriptor.digest, &verity), file.path)
    };
    Bundle::new(
        config,
        blob(manifest::MEDIA_TYPE_KERNEL, b"kernel"),
        blob(manifest::MEDIA_TYPE_INITRAMFS, b"initramfs"),
        vec![layer(packages), layer(config_layer)],
    )
    .unwrap()
}

#[derive(Clone)]
struct State {
    server: String,
    board: String,
    layout: Layout,
    booted: u64,
    default: u64,
    trial: Option<Trial>,
    sick: Option<String>,
    undecided: bool,
    /// Its trials wait for a token.
    acknowledges: bool,
    /// Words about a running trial until it is confirmed.
    decides_after: Option<u32>,
    /// Answers that are still lost to a reboot.
    silent: u32,
    /// Orders to reboot are carried out, and the answer does not get through.
    loses_answers: bool,
    /// They do not get through themselves.
    loses_orders: bool,
    uptime: u64,
    commands: Vec<String>,
}

/// See the module.
pub(crate) struct Played {
    state: Arc<Mutex<State>>,
    breaks: Option<u64>,
    chatter: &'static str,
    _dir: TempDir,
}

impl Played {
    /// A server that runs generation 1, which is of nobody's making.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path().join("imgs")).unwrap();
        let state = State {
            server: "mail".into(),
            board: "pc".into(),
            layout,
            booted: 1,
            default: 1,
            trial: None,
            sick: None,
            undecided: false,
            acknowledges: false,
            decides_after: None,
            silent: 0,
            loses_answers: false,
            loses_orders: false,
            uptime: 1000,
            commands: vec![],
        };
        Self { state: Arc::new(Mutex::new(state)), breaks: None, chatter: "", _dir: dir }
    }

    pub(crate) fn sick(self, reason: &str) -> Self {
        self.state.lock().unwrap().sick = Some(reason.to_owned());
        self
    }

    pub(crate) fn undecided(self) -> Self {
        self.state.lock().unwrap().undecided = true;
        self
    }

    /// Its agent knows what it is to wait for somebody's login.
    pub(crate) fn acknowledges(self) -> Self {
        self.state.lock().unwrap().acknowledges = true;
        self
    }

    /// The trial that is running is confirmed after some more words about it.
    pub(crate) fn decides_after(&self, words: u32) {
        self.state.lock().unwrap().decides_after = Some(words);
    }

    pub(crate) fn loses_answers(&self) {
        self.state.lock().unwrap().loses_answers = true;
    }

    pub(crate) fn loses_orders(&self) {
        self.state.lock().unwrap().loses_orders = true;
    }

    pub(crate) fn named(self, server: &str, board: &str) -> Self {
        let mut state = self.state.lock().unwrap();
        (state.server, state.board) = (server.to_owned(), board.to_owned());
        drop(state);
        self
    }

    /// Its login shell prints this before every answer.
    pub(crate) fn chatters(mut self, text: &'static str) -> Self {
        self.chatter = text;
        self
    }

    pub(crate) fn breaks_every(mut self, bytes: u64) -> Self {
        self.breaks = Some(bytes);
        self
    }

    /// Flips a bit in the middle of every long blob.
    pub(crate) fn damage_layers(&self) {
        let blobs = self.state.lock().unwrap().layout.root().join("blobs/sha256");
        for entry in std::fs::read_dir(blobs).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            if bytes.len() > 100_000 {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(&path, bytes).unwrap();
            }
        }
    }

    pub(crate) fn booted(&self) -> u64 {
        self.state.lock().unwrap().booted
    }

    pub(crate) fn staged(&self) -> usize {
        self.state.lock().unwrap().layout.index().unwrap().manifests.len()
    }

    pub(crate) fn connections(&self, command: &str) -> usize {
        self.state.lock().unwrap().commands.iter().filter(|it| *it == command).count()
    }
}

impl State {
    /// Generation 1 is of nobody's making: it is in no index.
    fn digest(&self, number: u64) -> Digest {
        let index = self.layout.index().unwrap();
        let place = usize::try_from(number).unwrap().checked_sub(2);
        place.map_or(Digest::of("first"), |place| index.manifests[place].digest)
    }

    fn switch(&mut self, number: u64) -> Switched {
        let (sick, undecided) = (self.sick.clone(), self.undecided);
        let state = match &sick {
            _ if undecided => TrialState::Running,
            None => TrialState::Confirmed,
            Some(_) => TrialState::Failed,
        };
        let generation = self.digest(number);
        let lines = sick.iter().map(|_| "port 25".to_owned()).collect();
        self.trial = Some(Trial { number, generation, state, reason: sick, lines, token: None });
        if state != TrialState::Failed {
            self.booted = number;
        }
        if state == TrialState::Confirmed {
            self.default = number;
        }
        self.silent = 2;
        self.uptime = 7;
        Switched { number, rebooting: true }
    }

    fn decide(&mut self) {
        match &mut self.decides_after {
            Some(0) => {
                self.default = self.booted;
                self.trial.as_mut().unwrap().state = TrialState::Confirmed;
                self.decides_after = None;
            }
            Some(words) => *words -= 1,
            None => {}
        }
    }

    /// The answer of a command that is no transfer: standard output, or status and error.
    fn answer(&mut self, command: &str) -> Result<String, (i32, String)> {
        if self.silent > 0 {
            self.silent -= 1;
            return Err((255, "ssh: connect to host mail port 22: Connection refused".into()));
        }
        self.decide();
        let words: Vec<_> = command.split(' ').collect();
        match words.as_slice() {
            ["heirloom", "status", "--json"] => Ok(json(&Status {
                server: self.server.clone(),
                board: self.board.clone(),
                booted: Some(self.booted),
                generation: self.digest(self.booted),
                default: Some(self.default),
                trial: self.trial.clone(),
                health: None,
                hidden: vec![],
                corrupted: vec![],
                memory: None,
                disk: transfer::report::Disk::default(),
                acknowledges: self.acknowledges,
                uptime: self.uptime,
            })),
            ["heirloom", "list", "--json"] => {
                let count = self.layout.index().unwrap().manifests.len() as u64 + 1;
                let generations = (1..=count).map(|number| self.report(number)).collect();
                Ok(json(&Listed { generations, free_data: 1, free_boot: 1 }))
            }
            ["heirloom", "switch", number, "--json"] => {
                Ok(json(&self.switch(number.parse().unwrap())))
            }
            ["heirloom", "switch", number, "--acknowledge", "--json"] if self.acknowledges => {
                self.undecided = true;
                let switched = self.switch(number.parse().unwrap());
                self.trial.as_mut().unwrap().token = Some("token-7".into());
                Ok(json(&switched))
            }
            ["heirloom", "acknowledge", "token-7"] => {
                let trial = self.trial.as_mut().unwrap();
                assert_eq!(trial.token.take().as_deref(), Some("token-7"));
                self.decides_after = Some(1);
                Ok("generation 2 is reached\n".into())
            }
            ["heirloom", "rollback", "--json"] => Ok(json(&self.switch(self.default - 1))),
            _ => Err((1, format!("error: what is `{command}`?\nhelp: ask for something else"))),
        }
    }

    fn report(&self, number: u64) -> GenerationReport {
        GenerationReport {
            number,
            generation: self.digest(number),
            size: 0,
            default: number == self.default,
            booted: number == self.booted,
            previous: false,
            pinned: false,
            trial: false,
            commit: None,
            uncommitted: false,
            built_by: None,
            staged: None,
            outcome: None,
        }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

impl Host for State {
    fn identity(&mut self) -> Result<(String, String), Refusal> {
        Ok((self.server.clone(), self.board.clone()))
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn bases(&mut self) -> Result<Vec<Digest>, Refusal> {
        Ok(vec![self.digest(self.booted)])
    }

    fn fits(&mut self, _: &Manifest, _: u64) -> Result<(), Refusal> {
        Ok(())
    }

    fn make_room(&mut self, _: &Manifest, _: u64) -> Result<(), Refusal> {
        Ok(())
    }

    fn check(&mut self, _: &Manifest, _: &Config) -> Result<(), Refusal> {
        Ok(())
    }

    fn stage(
        &mut self,
        manifest: &Manifest,
        annotations: BTreeMap<String, String>,
    ) -> Result<Staged, Refusal> {
        let mut index = self.layout.index().unwrap();
        let generation = manifest.digest();
        let last = self.trial.as_ref().filter(|it| it.generation == generation);
        let reason = last.and_then(|trial| trial.reason.clone());
        let failed = reason.map(|reason| Failure { at: Some(1_795_681_200), reason });
        let place = index.manifests.iter().position(|entry| entry.digest == generation);
        let number = place.unwrap_or(index.manifests.len()) as u64 + 2;
        if place.is_none() {
            index.manifests.push(Entry::new(manifest, annotations));
            self.layout.set_index(&Index::new(index.manifests)).unwrap();
        }
        Ok(Staged { number, generation, already: place.is_some(), removed: vec![], failed })
    }
}

struct Running(JoinHandle<Ended>);

impl Wait for Running {
    fn wait(self: Box<Self>) -> io::Result<Ended> {
        Ok(self.0.join().unwrap())
    }
}

impl Transport for Played {
    fn name(&self) -> &str {
        "root@mail"
    }

    fn start(&self, command: &str) -> deploy::Result<Connection> {
        let (here, there) = UnixStream::pair().unwrap();
        self.state.lock().unwrap().commands.push(command.to_owned());
        let (state, command, breaks) = (Arc::clone(&self.state), command.to_owned(), self.breaks);
        let chatter = self.chatter;
        let thread = thread::spawn(move || {
            // Whoever was there may be gone.
            let _ = (&there).write_all(chatter.as_bytes());
            let ended = if command == "heirloom stage" {
                receive(&state, &there, breaks)
            } else {
                answer(&state, &there, &command)
            };
            // Whoever was there may be gone.
            let _ = there.shutdown(Shutdown::Both);
            ended
        });
        let input = Box::new(Half(here.try_clone().unwrap()));
        Ok(Connection { input, output: Box::new(here), end: Box::new(Running(thread)) })
    }
}

fn answer(state: &Mutex<State>, mut there: &UnixStream, command: &str) -> Ended {
    let mut state = state.lock().unwrap();
    let reboots = command.contains("switch") || command.contains("rollback");
    let lost = || Ended { code: Some(255), stderr: "Connection to mail closed.".into() };
    if reboots && state.loses_orders {
        return lost();
    }
    match state.answer(command) {
        Ok(_) if reboots && state.loses_answers => lost(),
        Ok(text) => {
            there.write_all(text.as_bytes()).unwrap();
            // A server that reboots closes its connections before its commands have ended.
            Ended { code: Some(if reboots { 255 } else { 0 }), stderr: String::new() }
        }
        Err((code, stderr)) => Ended { code: Some(code), stderr },
    }
}

fn receive(state: &Mutex<State>, there: &UnixStream, breaks: Option<u64>) -> Ended {
    let mut host = state.lock().unwrap().clone();
    let served = match breaks {
        Some(bytes) => transfer::serve(there.take(bytes), there, &mut host),
        None => transfer::serve(there, there, &mut host),
    };
    match served {
        Ok(_) => Ended { code: Some(0), stderr: String::new() },
        Err(_) if breaks.is_some() => Ended { code: Some(255), stderr: "broken".into() },
        Err(error) => Ended { code: Some(1), stderr: format!("error: {error}") },
    }
}

/// A socket whose other end reads an end of file when this is dropped.
struct Half(UnixStream);

impl Write for Half {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // The other end may have gone first.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}
