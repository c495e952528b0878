//! The server's end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};

use digest::Digest;
use generation::{Chain, Config, Descriptor, Layout, Manifest, manifest};

use crate::delta::{self, MAX_ENCODED, PREFIX};
use crate::incoming::Incoming;
use crate::message::{
    Answer, Chunk, Greeting, MAX_ANNOTATION, MAX_ANNOTATIONS, MAX_BASES, Need, Needs, PROTOCOL,
    Refusal, Region, Request,
};
use crate::report::Staged;
use crate::wire::Wire;
use crate::{Error, Result};

/// What a transfer needs of the server that it comes to. [`Host::layout`] is asked for whenever
/// something is read or written there. The others are called in the order in which they stand
/// here, each once at most: after a dry run's [`Host::fits`] nothing follows, and where it is no
/// dry run [`Host::make_room`] comes in its place.
pub trait Host {
    /// The server's name in its workspace, and its board.
    fn identity(&mut self) -> std::result::Result<(String, String), Refusal>;

    /// Where generations are kept.
    fn layout(&self) -> &Layout;

    /// The generations whose blobs are all there, the best base for a delta first: the one that is
    /// running.
    fn bases(&mut self) -> std::result::Result<Vec<Digest>, Refusal>;

    /// Refuses a generation for which [`Host::make_room`] would find no room, and changes nothing.
    fn fits(&mut self, manifest: &Manifest, missing: u64) -> std::result::Result<(), Refusal>;

    /// Makes room on both partitions for the generation of `manifest`, of which `missing` bytes
    /// have still to come, before any of it is written; refuses where there is none to be made.
    /// Must keep every blob that `manifest` names and that is there, and what
    /// [`crate::incoming`] has of the others.
    fn make_room(&mut self, manifest: &Manifest, missing: u64) -> std::result::Result<(), Refusal>;

    /// Whether this server would run such a generation: its board, its name. Called before the
    /// long blobs come.
    fn check(&mut self, manifest: &Manifest, config: &Config) -> std::result::Result<(), Refusal>;

    /// Numbers the generation, whose blobs and manifest are all there, and puts it into the index.
    /// The boot partition hears of it when it is put on trial. Annotations are checked for their
    /// lengths and nothing else.
    fn stage(
        &mut self,
        manifest: &Manifest,
        annotations: BTreeMap<String, String>,
    ) -> std::result::Result<Staged, Refusal>;
}

/// Takes one generation from whoever is at the other end. What was staged, if anything was.
///
/// # Errors
/// When the connection ends early (what came is kept for the next time), when the other end does
/// not keep to the protocol, when the host refuses. The other end has been told, where it still
/// listens.
pub fn serve(input: impl Read, output: impl Write, host: &mut dyn Host) -> Result<Option<Staged>> {
    let mut wire = Wire::new(input, output);
    let served = Session { wire: &mut wire, host }.run();
    if let Err(error) = &served {
        let refusal = match error {
            Error::Refused(refusal) => Some(refusal.clone()),
            Error::Closed | Error::Connection(_) => None,
            other => Some(Refusal { help: other.hint(), ..Refusal::new(Chain(other).to_string()) }),
        };
        if let Some(refusal) = refusal {
            // The error is reported here as well: nothing is lost when nobody listens.
            let _ = wire.send(&Answer::Refused(refusal));
        }
    }
    served
}

struct Session<'a, R, W> {
    wire: &'a mut Wire<R, W>,
    host: &'a mut dyn Host,
}

impl<R: Read, W: Write> Session<'_, R, W> {
    fn run(&mut self) -> Result<Option<Staged>> {
        match self.wire.receive()? {
            Some(Request::Hello { protocol }) => {
                let (server, board) = self.host.identity().map_err(Error::Refused)?;
                self.wire.send(&Answer::Hello(Greeting { protocol: PROTOCOL, server, board }))?;
                if protocol != PROTOCOL {
                    // The other end, which reads our version, says so.
                    return Ok(None);
                }
            }
            None => return Ok(None),
            Some(_) => return Err(Error::protocol("no hello")),
        }
        let (manifest, dry_run) = match self.wire.receive()? {
            Some(Request::Offer { manifest, dry_run }) => {
                (Manifest::parse(manifest.as_bytes())?, dry_run)
            }
            None => return Ok(None),
            Some(_) => return Err(Error::protocol("no offer")),
        };
        let missing = self.needs(&manifest, dry_run)?;
        if dry_run {
            return Ok(None);
        }
        self.receive_all(&manifest, &missing)?;
        match self.wire.receive()? {
            Some(Request::Stage { annotations }) => self.stage(&manifest, annotations).map(Some),
            None => Err(Error::Closed),
            Some(_) => Err(Error::protocol("something else than to stage what has come")),
        }
    }

    /// Says what is missing, after room was made for it or, in a dry run, would be.
    fn needs(&mut self, manifest: &Manifest, dry_run: bool) -> Result<Vec<Descriptor>> {
        let mut bases = self.host.bases().map_err(Error::Refused)?;
        bases.truncate(MAX_BASES);
        let blobs = missing(self.host.layout(), manifest);
        let coming = blobs.iter().map(|(blob, have)| blob.size - have).sum();
        let room = match dry_run {
            true => self.host.fits(manifest, coming),
            false => self.host.make_room(manifest, coming),
        };
        room.map_err(Error::Refused)?;
        // Once more: making room may have taken what nobody was known to need.
        let blobs = missing(self.host.layout(), manifest);
        let list = blobs.iter().map(|(blob, have)| Need { digest: blob.digest, have: *have });
        self.wire.send(&Answer::Needs(Needs { blobs: list.collect(), bases }))?;
        Ok(blobs.into_iter().map(|(blob, _)| blob.clone()).collect())
    }

    fn receive_all(&mut self, manifest: &Manifest, missing: &[Descriptor]) -> Result<()> {
        // The config is the first of a manifest's blobs: it is judged before the long ones come.
        let mut checked = false;
        for blob in missing {
            if blob.digest != manifest.config.digest && !checked {
                self.check(manifest)?;
                checked = true;
            }
            match self.wire.receive()? {
                Some(Request::Blob { digest, offset }) if digest == blob.digest => {
                    self.blob(blob, offset)?;
                }
                None => return Err(Error::Closed),
                Some(_) => return Err(Error::protocol("not the blob that is next")),
            }
        }
        if !checked {
            self.check(manifest)?;
        }
        Ok(())
    }

    fn check(&mut self, manifest: &Manifest) -> Result<()> {
        let config = self.host.layout().config(manifest)?;
        self.host.check(manifest, &config).map_err(Error::Refused)
    }

    fn blob(&mut self, blob: &Descriptor, offset: u64) -> Result<()> {
        let mut incoming = Incoming::open(self.host.layout(), blob, offset)?;
        while incoming.missing() > 0 {
            let chunk = match self.wire.receive()? {
                Some(Request::Chunk(chunk)) => chunk,
                None => return Err(Error::Closed),
                Some(_) => return Err(Error::protocol("not the rest of a blob")),
            };
            let bytes = self.piece(&chunk)?;
            incoming.append(&bytes)?;
        }
        incoming.publish(self.host.layout())?;
        self.wire.send(&Answer::Received { digest: blob.digest })
    }

    /// A piece of a blob, decoded.
    fn piece(&mut self, chunk: &Chunk) -> Result<Vec<u8>> {
        if chunk.encoded > MAX_ENCODED || chunk.size == 0 {
            let Chunk { size, encoded, .. } = chunk;
            return Err(Error::protocol(format!("a piece of {size} bytes in {encoded}")));
        }
        let prefix = match &chunk.base {
            Some(region) => self.region(region)?,
            None => Vec::new(),
        };
        let frame = self.wire.receive_bytes(chunk.encoded)?;
        delta::decode(&frame, chunk.size, &prefix)
    }

    fn region(&self, region: &Region) -> Result<Vec<u8>> {
        let path = self.host.layout().blob(region.digest);
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let size = file.metadata().map_err(Error::io("read", &path))?.len();
        let end = region.offset.checked_add(region.size as u64);
        if region.size > PREFIX || end.is_none_or(|end| end > size) {
            let Region { offset, size, .. } = region;
            return Err(Error::protocol(format!("{size} bytes at {offset} of a base")));
        }
        delta::read_region(&file, &path, region)
    }

    fn stage(
        &mut self,
        manifest: &Manifest,
        annotations: BTreeMap<String, String>,
    ) -> Result<Staged> {
        let long =
            annotations.iter().any(|(name, value)| name.len() + value.len() > MAX_ANNOTATION);
        if long || annotations.len() > MAX_ANNOTATIONS {
            return Err(Error::protocol("too many annotations, or too long ones"));
        }
        let bytes = manifest.to_bytes();
        let descriptor = Descriptor::of(manifest::MEDIA_TYPE, &bytes);
        self.host.layout().insert(&bytes[..], &descriptor)?;
        let staged = self.host.stage(manifest, annotations).map_err(Error::Refused)?;
        self.wire.send(&Answer::Staged(staged.clone()))?;
        Ok(staged)
    }
}

/// The blobs of a generation that are not there, and how much of each is. The config comes first.
fn missing<'a>(layout: &Layout, manifest: &'a Manifest) -> Vec<(&'a Descriptor, u64)> {
    let blobs = manifest.blobs().filter(|blob| !layout.contains(blob));
    blobs.map(|blob| (blob, Incoming::have(layout, blob))).collect()
}
