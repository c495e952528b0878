//! What every command works with: the workspace, the store, the tools, the results.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use definition::{Epoch, Server, Workspace};
use jiff::civil::Date;
use sandbox::Tools;
use stage::Cache;
use store::Store;

use crate::Error;

/// How a session is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Leave the network alone.
    pub offline: bool,
    /// Leave locks as they are.
    pub locked: bool,
    /// Vaults to take files from before any mirror.
    pub vaults: Vec<PathBuf>,
    /// Where files are kept and come from; none: where the environment says.
    pub sources: Option<store::Options>,
    /// Let the config layer see the clock: what a test of `verify` plants.
    pub plant_clock: bool,
}

/// One command's view of a workspace and of the machine.
pub struct Session {
    /// The definitions.
    pub workspace: Workspace,
    /// Files by hash.
    pub store: Store,
    /// Results of stages.
    pub cache: Cache,
    /// Whether locks may be changed.
    pub locked: bool,
    pub(crate) plant_clock: bool,
    vaults: Vec<PathBuf>,
    images: PathBuf,
}

impl Session {
    /// Opens the workspace that `dir` lies in.
    ///
    /// # Errors
    /// When the workspace, the configuration of mirrors or the cache cannot be read.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, Error> {
        let workspace = Workspace::load(dir)?;
        let sources = match &options.sources {
            Some(sources) => sources.clone(),
            None => store::Options::from_environment()?,
        };
        let mut sources = sources.offline(options.offline);
        let mut vaults = Vec::new();
        for vault in &options.vaults {
            sources = sources.vault(vault);
            vaults.push(std::path::absolute(vault).map_err(Error::io("find", vault))?);
        }
        let cache = Cache::new(workspace.target().join("heirloom"));
        let store = Store::open(sources)?;
        store.add_workspace(workspace.root())?;
        Ok(Self {
            workspace,
            store,
            images: cache.root().join("images"),
            cache,
            locked: options.locked,
            plant_clock: options.plant_clock,
            vaults,
        })
    }

    /// The same with the results of stages under `cache`: for a copy of a workspace that shares
    /// them with the original.
    #[must_use]
    pub fn with_cache(mut self, cache: impl Into<PathBuf>) -> Self {
        self.cache = Cache::new(cache);
        self
    }

    /// The same with finished images put into `images`, which is on the file system of the cache.
    #[must_use]
    pub fn with_images(mut self, images: impl Into<PathBuf>) -> Self {
        self.images = images.into();
        self
    }

    /// The pinned tools; nothing is fetched yet.
    ///
    /// # Errors
    /// When tools.toml or tools.lock cannot be read, or do not belong together.
    pub fn tools(&self) -> Result<Tools<'_>, Error> {
        Ok(Tools::open(self.workspace.root(), &self.store)?)
    }

    /// `SOURCE_DATE_EPOCH` of a server whose lock is of the day `locked`.
    ///
    /// # Errors
    /// When the variable is no number, or history cannot be read.
    pub fn epoch(&self, server: &Server, locked: Date) -> Result<Epoch, Error> {
        let variable = std::env::var(definition::EPOCH_VARIABLE).ok();
        Ok(self.workspace.epoch(server, variable.as_deref(), locked)?)
    }

    /// The flags that open a session like this one in another process, wherever it is started.
    pub fn flags(&self) -> Vec<OsString> {
        let offline = self.store.is_offline().then(|| OsString::from("--offline"));
        let locked = self.locked.then(|| OsString::from("--locked"));
        let vaults = self.vaults.iter().flat_map(|vault| ["--vault".into(), vault.into()]);
        offline.into_iter().chain(locked).chain(vaults).collect()
    }

    /// Where finished images are put.
    pub fn images(&self) -> PathBuf {
        self.images.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_is_told_what_this_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let sources = store::Options::bare(folder.path());
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let plain = Options { sources: Some(sources), ..Options::default() };
        assert!(Session::open(here, &plain).unwrap().flags().is_empty());
        let options =
            Options { offline: true, locked: true, vaults: vec!["some/vault".into()], ..plain };
        let flags = Session::open(here, &options).unwrap().flags();
        let vault = std::env::current_dir().unwrap().join("some/vault");
        assert_eq!(flags, ["--offline", "--locked", "--vault", vault.to_str().unwrap()]);
    }
}
