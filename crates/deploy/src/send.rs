//! One generation to one server, however often the connection breaks.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use digest::Digest;
use generation::{Descriptor, Manifest};
use image::Bundle;
use transfer::report::Staged;
use transfer::{Base, Client, Encoder, Needs};

use crate::transport::Counting;
use crate::{Connection, Error, Kept, Planned, Result, Transport};

/// The command on the server.
const STAGE: &str = "heirloom stage";

/// How often a transfer that once got on is begun again without getting any further. The pauses
/// grow: less than a minute in all.
const PATIENCE: u32 = 5;

/// A generation on its way. It is among the kept ones.
pub(crate) struct Sender<'a> {
    pub(crate) transport: &'a dyn Transport,
    pub(crate) bundle: &'a Bundle,
    pub(crate) kept: &'a Kept,
    /// Between two attempts.
    pub(crate) pause: Duration,
}

impl Sender<'_> {
    /// Sends what the server lacks and has it staged; the bytes that it took.
    pub(crate) fn send(&self, annotations: &BTreeMap<String, String>) -> Result<(Staged, u64)> {
        let sent = Arc::new(AtomicU64::new(0));
        let (mut deltas, mut began, mut fruitless) = (true, false, 0);
        loop {
            let before = sent.load(Ordering::Relaxed);
            let mut got_on = false;
            let tried = self.converse(&sent, |client| {
                let needs = client.offer(self.manifest(), false)?;
                let bases = self.bases(&needs, deltas);
                let bar = progress::bytes("Sending", self.total(&needs));
                for need in &needs.blobs {
                    let (blob, name) = self.blob(need.digest)?;
                    bar.message(name);
                    let path = self.kept.blob(blob).ok_or_else(|| missing(blob))?;
                    let base = bases.get(&blob.digest);
                    let base: Option<Base<'_>> =
                        base.map(|(digest, path)| (*digest, path.as_path()));
                    client.send(blob, &path, need.have, base, &mut |one| {
                        got_on = true;
                        bar.advance(one.of);
                    })?;
                }
                Ok(())
            });
            let tried = match tried {
                Ok(client) => client.finish(annotations.clone()),
                Err(error) => Err(error),
            };
            match tried {
                Ok(staged) => return Ok((staged, sent.load(Ordering::Relaxed))),
                Err(error) if deltas && is_mismatch(&error) => {
                    progress::warning(format!("{error}; sending it without deltas"));
                    deltas = false;
                }
                Err(error) if is_interruption(&error) && (began || got_on) => {
                    began = true;
                    fruitless = if got_on { 0 } else { fruitless + 1 };
                    if fruitless == PATIENCE {
                        return Err(error);
                    }
                    let bytes = sent.load(Ordering::Relaxed) - before;
                    progress::warning(format!("{error}, after {bytes} bytes; going on from there"));
                    thread::sleep(self.pause * (1 + 2 * fruitless));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What would be sent, and as how many bytes. Nothing changes on the server.
    pub(crate) fn plan(&self) -> Result<Vec<Planned>> {
        let mut needs = None;
        let client = self.converse(&Arc::default(), |client| {
            needs = Some(client.offer(self.manifest(), true)?);
            Ok(())
        })?;
        client.end()?;
        let needs = needs.unwrap_or(Needs { blobs: vec![], bases: vec![] });
        let bases = self.bases(&needs, true);
        let mut planned = Vec::new();
        for need in &needs.blobs {
            let (blob, name) = self.blob(need.digest)?;
            let path = self.kept.blob(blob).ok_or_else(|| missing(blob))?;
            let base = bases.get(&blob.digest);
            let base: Option<Base<'_>> = base.map(|(digest, path)| (*digest, path.as_path()));
            let mut encoder = Encoder::new(&path, blob, need.have, base)?;
            let mut sent = 0;
            while let Some((_, frame)) = encoder.piece()? {
                sent += frame.len() as u64;
            }
            planned.push(Planned { name, digest: blob.digest, size: blob.size, sent });
        }
        Ok(planned)
    }

    fn manifest(&self) -> &Manifest {
        self.bundle.manifest()
    }

    /// A blob of the generation, and what a person calls it.
    fn blob(&self, digest: Digest) -> transfer::Result<(&Descriptor, String)> {
        let blobs: Vec<_> = self.manifest().blobs().collect();
        let last = blobs.len() - 1;
        let place = blobs.iter().position(|blob| blob.digest == digest);
        let place = place.ok_or_else(|| transfer::Error::Protocol(format!("it needs {digest}")))?;
        let name = match place {
            0 => "documents".to_owned(),
            1 => "kernel".to_owned(),
            2 => "initramfs".to_owned(),
            3 => "package layer".to_owned(),
            it if it == last => "config layer".to_owned(),
            it => format!("layer {}", it - 3),
        };
        Ok((blobs[place], name))
    }

    fn total(&self, needs: &Needs) -> u64 {
        let sizes = needs.blobs.iter().filter_map(|need| {
            let (blob, _) = self.blob(need.digest).ok()?;
            Some(blob.size - need.have)
        });
        sizes.sum()
    }

    /// For each blob the one in its place in a generation that the server has, and that is here.
    fn bases(&self, needs: &Needs, deltas: bool) -> BTreeMap<Digest, (Digest, PathBuf)> {
        let Some(base) = deltas.then(|| self.kept.first(&needs.bases)).flatten() else {
            return BTreeMap::new();
        };
        let pairs = self.manifest().blobs().zip(base.blobs());
        pairs
            .filter(|(new, old)| new.media_type == old.media_type)
            .filter_map(|(new, old)| Some((new.digest, (old.digest, self.kept.blob(old)?))))
            .collect()
    }

    /// Connects, and says what `talk` says. When it fails, what ended the command is the error.
    fn converse(
        &self,
        sent: &Arc<AtomicU64>,
        talk: impl FnOnce(&mut Talk) -> transfer::Result<()>,
    ) -> Result<Conversation<'_>> {
        let Connection { input, output, end } = self.transport.start(STAGE)?;
        let input = Counting::new(input, Arc::clone(sent));
        let host = self.transport.name();
        let talked = Client::connect(output, input).and_then(|(mut client, _)| {
            talk(&mut client)?;
            Ok(client)
        });
        match talked {
            Ok(client) => Ok(Conversation { client, end, host }),
            Err(error) => Err(because(error, end, host)),
        }
    }
}

type Talk = Client<Box<dyn io::Read + Send>, Counting>;

/// A conversation that went well so far.
struct Conversation<'a> {
    client: Talk,
    end: Box<dyn crate::Wait>,
    host: &'a str,
}

impl Conversation<'_> {
    fn finish(self, annotations: BTreeMap<String, String>) -> Result<Staged> {
        self.client.stage(annotations).map_err(|error| because(error, self.end, self.host))
    }

    fn end(self) -> Result<()> {
        drop(self.client);
        let ended = self.end.wait().map_err(|source| Error::Transport { source })?;
        ended.check(self.host, STAGE)
    }
}

/// Why a conversation ended: the server's own word, else what ssh or the command ended with.
fn because(error: transfer::Error, end: Box<dyn crate::Wait>, host: &str) -> Error {
    let ended = end.wait();
    if error.is_interruption()
        && let Err(error) = ended.map_or(Ok(()), |ended| ended.check(host, STAGE))
    {
        return error;
    }
    error.into()
}

fn is_mismatch(error: &Error) -> bool {
    matches!(error, Error::Transfer(transfer::Error::Refused(refusal)) if refusal.mismatch)
}

fn is_interruption(error: &Error) -> bool {
    match error {
        Error::Transfer(error) => error.is_interruption(),
        Error::Ssh { hint: None, .. } | Error::Transport { .. } => true,
        _ => false,
    }
}

fn missing(blob: &Descriptor) -> transfer::Error {
    let (path, source) = (PathBuf::from(blob.digest.hex()), io::ErrorKind::NotFound.into());
    transfer::Error::Io { action: "find, to send it,", path, source }
}
