//! A new generation comes over standard input and output: the server's end of crate `transfer`.

use std::collections::BTreeMap;

use boot::Partition;
use digest::Digest;
use generation::{Chain, Config, Layout, Manifest};
use transfer::report::Staged;
use transfer::{Host, Refusal};

use crate::{Error, Result, Server};

/// A server that takes a generation.
pub struct Receiver<'a, P> {
    server: &'a mut Server<P>,
    removed: Vec<u64>,
}

impl<'a, P: Partition> Receiver<'a, P> {
    /// Takes generations for `server`.
    pub fn new(server: &'a mut Server<P>) -> Self {
        Self { server, removed: Vec::new() }
    }
}

fn refuse(error: Error) -> Refusal {
    let refusal = Refusal::new(Chain(&error).to_string());
    match error.hint() {
        Some(hint) => refusal.help(hint),
        None => refusal,
    }
}

impl<P: Partition> Host for Receiver<'_, P> {
    fn identity(&mut self) -> Result<(String, String), Refusal> {
        let config = self.server.config().map_err(refuse)?;
        Ok((config.server, config.board))
    }

    fn layout(&self) -> &Layout {
        self.server.layout()
    }

    fn bases(&mut self) -> Result<Vec<Digest>, Refusal> {
        let catalog = self.server.catalog().map_err(refuse)?;
        let running = self.server.running().generation;
        let mut all: Vec<_> = catalog.all().into_iter().rev().map(|held| held.generation).collect();
        // What runs was read by many since it came: it is the least likely to be damaged.
        all.sort_by_key(|generation| *generation != running);
        let whole = |generation: &Digest| {
            let manifest = self.server.layout().manifest(*generation);
            manifest.is_ok_and(|it| it.blobs().all(|blob| self.server.layout().contains(blob)))
        };
        Ok(all.into_iter().filter(whole).collect())
    }

    fn make_room(&mut self, manifest: &Manifest, missing: u64) -> Result<(), Refusal> {
        self.removed = self.server.make_room(manifest, missing).map_err(refuse)?;
        Ok(())
    }

    fn check(&mut self, _: &Manifest, config: &Config) -> Result<(), Refusal> {
        let own = self.server.config().map_err(refuse)?;
        for (what, theirs, ours) in
            [("server", &config.server, &own.server), ("board", &config.board, &own.board)]
        {
            if theirs != ours {
                let message =
                    format!("this is the {what} `{ours}`, the generation is for `{theirs}`");
                return Err(Refusal::new(message).help("deploy it to the server that it is for"));
            }
        }
        Ok(())
    }

    fn stage(
        &mut self,
        manifest: &Manifest,
        annotations: BTreeMap<String, String>,
    ) -> Result<Staged, Refusal> {
        let staged = self.server.stage(manifest, annotations).map_err(refuse)?;
        Ok(Staged { removed: std::mem::take(&mut self.removed), ..staged })
    }
}
