//! What a disk says of its server.

use agent::catalog::Catalog;
use agent::trials::Trials;
use digest::Digest;
use ext4_view::PathBuf;
use generation::filesystem::Check;
use generation::{Config, Index, Manifest};
use serde::Serialize;
use transfer::report::GenerationReport;

use crate::error::{Error, Result};
use crate::filesystem::Filesystem;
use crate::shown::safe;
use crate::walk::{STATE, kind};

/// The longest document of ours, in bytes.
const DOCUMENT: u64 = 4 << 20;

const BLOBS: &str = "/imgs/blobs/sha256";

/// What a disk says of its server. Texts are as the disk has them: who shows them makes them safe.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The server's name in its workspace, where the default generation can be read.
    pub server: Option<String>,
    /// Its board.
    pub board: Option<String>,
    /// All generations, by number.
    pub generations: Vec<GenerationReport>,
    /// The last trial that its state remembers.
    pub trial: Option<transfer::report::Trial>,
    /// The last check of the data filesystem.
    pub check: Option<Check>,
    /// What lies in /state.
    pub state: Vec<StateReport>,
    /// What could not be read, a line each, made safe to show.
    pub problems: Vec<String>,
}

/// One entry of /state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateReport {
    /// Its name, made safe to show.
    pub name: String,
    /// Where the default generation has it; nothing for what that does not use.
    pub path: Option<String>,
    /// `file` or `directory`.
    pub kind: &'static str,
}

/// Reads what a disk says of its server.
///
/// # Errors
/// Its index cannot be read: what else is damaged is among the problems.
pub fn report(disk: &Filesystem) -> Result<Report> {
    let catalog = Catalog::new(index(disk)?);
    let confirmed = catalog.confirmed();
    let mut problems = Vec::new();
    let remember = |what: &str, error: &Error, problems: &mut Vec<String>| {
        let why = std::error::Error::source(error).map(|why| format!(": {why}"));
        problems.push(safe(format!("{what}: {error}{}", why.unwrap_or_default()).as_bytes()));
    };
    let trials = match trials(disk) {
        Ok(trials) => trials,
        Err(error) => {
            remember("trials", &error, &mut problems);
            Vec::new()
        }
    };
    let mut generations = Vec::new();
    for held in catalog.all() {
        let size = match manifest(disk, held.generation) {
            Ok(manifest) => manifest.blobs().map(|blob| blob.size).fold(0, u64::saturating_add),
            Err(error) => {
                remember(&format!("generation {}", held.number), &error, &mut problems);
                0
            }
        };
        let trial = trials.iter().rev().find(|it| it.generation == held.generation);
        let number = held.number;
        generations.push(GenerationReport {
            size,
            default: confirmed.first().is_some_and(|first| first.number == number),
            previous: confirmed.get(1).is_some_and(|second| second.number == number),
            trial: trial.is_some_and(|it| it.is_open()),
            outcome: trial.map(agent::status::outcome),
            ..agent::status::of(held)
        });
    }
    let config = default_config(disk);
    if let Err(error) = &config {
        remember("the default generation", error, &mut problems);
    }
    let config = config.ok();
    let check = disk.read(&format!("/imgs/{}", Check::NAME), DOCUMENT);
    let check = check.ok().flatten().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(Report {
        server: config.as_ref().map(|config| config.server.clone()),
        board: config.as_ref().map(|config| config.board.clone()),
        generations,
        trial: trials.last().cloned().map(agent::status::report),
        check,
        state: state(disk)?,
        problems,
    })
}

fn index(disk: &Filesystem) -> Result<Index> {
    let missing = || Error::NotOurs {
        path: disk.path().to_owned(),
        why: "its data filesystem has no index of generations",
    };
    let bytes = disk.read("/imgs/index.json", DOCUMENT)?.ok_or_else(missing)?;
    Index::parse(&bytes).map_err(|source| Error::Document { what: "the index", source })
}

fn manifest(disk: &Filesystem, generation: Digest) -> Result<Manifest> {
    let bytes = blob(disk, generation, "the manifest")?;
    Manifest::parse(&bytes).map_err(|source| Error::Document { what: "the manifest", source })
}

/// A small blob, whose bytes have its digest.
fn blob(disk: &Filesystem, digest: Digest, what: &'static str) -> Result<Vec<u8>> {
    let bytes = disk.read(&format!("{BLOBS}/{}", digest.hex()), DOCUMENT)?.unwrap_or_default();
    let found = Digest::of(&bytes);
    if found != digest {
        let size = bytes.len() as u64;
        let source = generation::Error::WrongBlob { expected: digest, found, size };
        return Err(Error::Document { what, source });
    }
    Ok(bytes)
}

/// The config of the generation that boots by itself.
fn default_config(disk: &Filesystem) -> Result<Config> {
    let catalog = Catalog::new(index(disk)?);
    let confirmed = catalog.confirmed().into_iter().next().map(|held| held.generation);
    let generation = confirmed.ok_or_else(|| Error::NotOurs {
        path: disk.path().to_owned(),
        why: "no generation of it was confirmed",
    })?;
    let config = manifest(disk, generation)?.config.digest;
    let bytes = blob(disk, config, "the config")?;
    Config::parse(&bytes).map_err(|source| Error::Document { what: "the config", source })
}

/// Paths on the server, and the entries of /state that are there; none where that cannot be read.
pub(crate) fn declared(disk: &Filesystem) -> Vec<(String, String)> {
    let config = default_config(disk);
    let state = config.map(|config| config.state).unwrap_or_default();
    state.into_iter().map(|state| (state.path.to_string(), state.at.to_string())).collect()
}

fn trials(disk: &Filesystem) -> Result<Vec<agent::trials::Trial>> {
    // Where the base role keeps them, whatever the entry of /state is called.
    let at = declared(disk).into_iter().find(|(path, _)| path == agent::machine::STATE);
    let Some((_, at)) = at else { return Ok(Vec::new()) };
    let bytes = disk.read(&format!("{STATE}/{at}/{}", Trials::NAME), DOCUMENT)?;
    Ok(bytes.map(|bytes| Trials::parse(&bytes)).unwrap_or_default())
}

fn state(disk: &Filesystem) -> Result<Vec<StateReport>> {
    let declared = declared(disk);
    let names = disk.names(&PathBuf::new(STATE))?;
    let of = |(name, path): (Vec<u8>, PathBuf)| {
        let name = safe(&name);
        let failed = |source| Error::Filesystem { what: safe(path.as_ref()), source };
        let found = disk.ext4().symlink_metadata(&path).map_err(failed)?;
        let path = declared.iter().find(|(_, at)| *at == name).map(|(path, _)| path.clone());
        Ok(StateReport { name, path, kind: kind(found.file_type()) })
    };
    names.into_iter().map(of).collect()
}
