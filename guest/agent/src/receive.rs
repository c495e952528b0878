//! A new generation comes over standard input and output: the server's end of crate `transfer`.

use std::collections::BTreeMap;

use digest::Digest;
use generation::{Chain, Config, Layout, Manifest};
use transfer::report::Staged;
use transfer::{Host, Refusal};

use crate::catalog::Catalog;
use crate::server::Opened;
use crate::{Error, Result, scrub, verity};

/// A server that takes a generation. It is opened for the two moments in which what it keeps
/// changes, and for nothing else of a transfer: that takes as long as the line is slow.
pub struct Receiver<O> {
    layout: Layout,
    running: Digest,
    open: O,
    removed: Vec<u64>,
}

impl<O: FnMut() -> Result<S>, S: Opened> Receiver<O> {
    /// Takes a generation into `layout`, where `running` is what runs. `open` opens the server
    /// that the layout is of.
    pub fn new(layout: Layout, running: Digest, open: O) -> Self {
        Self { layout, running, open, removed: Vec::new() }
    }

    /// What the kernel has found damaged of what runs is to come again.
    fn look_for_damage(&self) -> Result<()> {
        // A kernel that cannot be asked: then a scrub finds it.
        let layers = verity::corrupted().unwrap_or_default();
        scrub::mark(&self.layout, &self.layout.manifest(self.running)?, &layers)
    }

    fn own(&self) -> Result<Config, Refusal> {
        let manifest = self.layout.manifest(self.running);
        let config = manifest.and_then(|manifest| self.layout.config(&manifest));
        config.map_err(|error| refuse(error.into()))
    }
}

fn refuse(error: Error) -> Refusal {
    let refusal = Refusal::new(Chain(&error).to_string());
    match error.hint() {
        Some(hint) => refusal.help(hint),
        None => refusal,
    }
}

impl<O: FnMut() -> Result<S>, S: Opened> Host for Receiver<O> {
    fn identity(&mut self) -> Result<(String, String), Refusal> {
        let config = self.own()?;
        Ok((config.server, config.board))
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn bases(&mut self) -> Result<Vec<Digest>, Refusal> {
        self.look_for_damage().map_err(refuse)?;
        let index = self.layout.index().map_err(|error| refuse(error.into()))?;
        let all = Catalog::new(index).all();
        let mut all: Vec<_> = all.into_iter().rev().map(|held| held.generation).collect();
        // What runs was read by many since it came: it is the least likely to be damaged.
        all.sort_by_key(|generation| *generation != self.running);
        let whole = |generation: &Digest| {
            let manifest = self.layout.manifest(*generation);
            manifest.is_ok_and(|it| it.blobs().all(|blob| self.layout.contains(blob)))
        };
        Ok(all.into_iter().filter(whole).collect())
    }

    fn fits(&mut self, manifest: &Manifest, missing: u64) -> Result<(), Refusal> {
        let planned = (self.open)().and_then(|mut it| it.server().plan_room(manifest, missing));
        planned.map(drop).map_err(refuse)
    }

    fn make_room(&mut self, manifest: &Manifest, missing: u64) -> Result<(), Refusal> {
        let removed = (self.open)().and_then(|mut it| it.server().make_room(manifest, missing));
        self.removed = removed.map_err(refuse)?;
        Ok(())
    }

    fn check(&mut self, _: &Manifest, config: &Config) -> Result<(), Refusal> {
        let own = self.own()?;
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
        let staged = (self.open)().and_then(|mut it| it.server().stage(manifest, annotations));
        let staged = staged.map_err(refuse)?;
        Ok(Staged { removed: std::mem::take(&mut self.removed), ..staged })
    }
}
