//! Deploy's end.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use digest::Digest;
use generation::{Descriptor, Manifest};

use crate::delta::Encoder;
use crate::message::{Answer, Greeting, MAX_BASES, Needs, PROTOCOL, Request};
use crate::report::Staged;
use crate::wire::Wire;
use crate::{Error, Result};

/// A blob that the server has, and where it lies here.
pub type Base<'a> = (Digest, &'a Path);

/// A connection to `heirloom stage` on a server.
pub struct Client<R, W> {
    wire: Wire<R, W>,
}

/// What became of a blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes that went over the wire.
    pub sent: u64,
    /// Bytes of the blob that they stand for.
    pub of: u64,
}

impl<R: Read, W: Write> Client<R, W> {
    /// Says hello over `output` and reads the answer from `input`.
    pub fn connect(input: R, output: W) -> Result<(Self, Greeting)> {
        let mut client = Self { wire: Wire::new(input, output) };
        client.say(&Request::Hello { protocol: PROTOCOL })?;
        let first = client.wire.receive_first()?;
        match client.accepted(first)? {
            Answer::Hello(greeting) if greeting.protocol == PROTOCOL => Ok((client, greeting)),
            Answer::Hello(Greeting { protocol: found, .. }) => {
                Err(Error::Version { found, wanted: PROTOCOL })
            }
            _ => Err(Error::protocol("no hello")),
        }
    }

    /// Offers a generation. After a dry run the server has changed nothing and listens no more.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no room for it, in a dry run as well.
    pub fn offer(&mut self, manifest: &Manifest, dry_run: bool) -> Result<Needs> {
        let text = String::from_utf8(manifest.to_bytes())
            .map_err(|_| Error::protocol("a manifest that is no text"))?;
        self.say(&Request::Offer { manifest: text, dry_run })?;
        let Answer::Needs(needs) = self.answer()? else {
            return Err(Error::protocol("not what it needs"));
        };
        let mut last = None;
        for need in &needs.blobs {
            let position = manifest.blobs().position(|blob| blob.digest == need.digest);
            let size = manifest.blobs().find(|blob| blob.digest == need.digest).map(|it| it.size);
            if position <= last || size.is_none_or(|size| need.have > size) {
                return Err(Error::protocol(format!("it needs {} of {}", need.have, need.digest)));
            }
            last = position;
        }
        if needs.bases.len() > MAX_BASES {
            return Err(Error::protocol("too many bases"));
        }
        Ok(needs)
    }

    /// Sends what follows the first `offset` bytes of a blob that lies at `path`. `done` is told of
    /// each piece: what was sent, and what of the blob that was.
    pub fn send(
        &mut self,
        blob: &Descriptor,
        path: &Path,
        offset: u64,
        base: Option<Base<'_>>,
        done: &mut dyn FnMut(Sent),
    ) -> Result<Sent> {
        self.say(&Request::Blob { digest: blob.digest, offset })?;
        let mut encoder = Encoder::new(path, blob, offset, base)?;
        let mut total = Sent::default();
        while let Some((chunk, frame)) = encoder.piece()? {
            let one = Sent { sent: frame.len() as u64, of: chunk.size as u64 };
            let sent = self.wire.send_with(&Request::Chunk(chunk), &frame);
            sent.map_err(|error| self.reason(error))?;
            total.sent += one.sent;
            total.of += one.of;
            done(one);
        }
        match self.answer()? {
            Answer::Received { digest } if digest == blob.digest => Ok(total),
            _ => Err(Error::protocol("it did not say that it has the blob")),
        }
    }

    /// Has the generation staged, all of whose blobs are there.
    pub fn stage(mut self, annotations: BTreeMap<String, String>) -> Result<Staged> {
        self.say(&Request::Stage { annotations })?;
        match self.answer()? {
            Answer::Staged(staged) => Ok(staged),
            _ => Err(Error::protocol("it did not say what it staged")),
        }
    }

    fn say(&mut self, request: &Request) -> Result<()> {
        self.wire.send(request).map_err(|error| self.reason(error))
    }

    fn answer(&mut self) -> Result<Answer> {
        let answer = self.wire.receive()?;
        self.accepted(answer)
    }

    fn accepted(&self, answer: Option<Answer>) -> Result<Answer> {
        match answer {
            Some(Answer::Refused(refusal)) => Err(Error::Refused(refusal)),
            Some(answer) => Ok(answer),
            None => Err(Error::Closed),
        }
    }

    /// Nothing can be written any more: the server may have said why.
    fn reason(&mut self, error: Error) -> Error {
        match self.wire.receive() {
            Ok(Some(Answer::Refused(refusal))) => Error::Refused(refusal),
            _ => error,
        }
    }
}
