//! The same server on Arch Linux.
//!
//! Its packages are the Debian server's own, repackaged, in an archive that is generated for the
//! test and served on loopback: `testarchive` says what is real about it and what is not.

use std::fs;

use anyhow::{Context, Result};
use jiff::civil::Date;
use tempfile::TempDir;
use testarchive::{Bootable, DAYS, Keys, Served, bootable};

use crate::Testbed;

/// An archive of Arch's layout on loopback.
pub(crate) struct Archive {
    _served: Served,
    /// The versions of git, one for each of the days.
    git: [String; 3],
    _folder: TempDir,
}

impl Testbed {
    /// Moves the server to Arch, as an owner would: by its server.toml, which has the first of
    /// [`DAYS`] as its date.
    ///
    /// # Errors
    /// When the Debian server, which the packages are made of, cannot be built.
    pub fn on_arch(mut self) -> Result<Self> {
        let debian = self.generation()?;
        let folder = tempfile::tempdir_in(self.images.path())?;
        let keys = Keys::generate();
        let Bootable { git, .. } = bootable(&debian.tree, folder.path(), &keys);
        let served = Served::start(folder.path());
        self.move_definition(DAYS[0], &keys.main_fingerprints())?;
        let mut sources = store::Options::from_environment()?;
        sources.dated.archlinux = vec![served.url().trim_end_matches('/').to_owned()];
        self.sources = Some(sources);
        self.arch = Some(Archive { _served: served, git, _folder: folder });
        Ok(self)
    }

    /// The versions of git that the archive has, one for each of its days.
    ///
    /// # Errors
    /// When the server is not on Arch.
    pub fn git_versions(&self) -> Result<&[String; 3]> {
        Ok(&self.arch.as_ref().context("the server is not on Arch")?.git)
    }

    /// Puts Arch's archive in the place of Debian's, as its day `day`, and has no lock any more.
    fn move_definition(&self, day: Date, main_keys: &[String]) -> Result<()> {
        let folder = self.copy.path().join("servers").join(&self.server);
        let path = folder.join("server.toml");
        let text = fs::read_to_string(&path)?;
        // Tables stand in paragraphs of their own; Arch has one kernel.
        let kept = text.split("\n\n").filter(|table| !table.starts_with("[kernel]"));
        let archive = format!(
            "[archive]\ndistribution = \"arch\"\nrepositories = [\"core\"]\ndate = \"{day}\"\n\
             main-keys = {main_keys:?}\n"
        );
        let tables: Vec<&str> = kept
            .map(|table| if table.starts_with("[archive]") { archive.trim_end() } else { table })
            .collect();
        fs::write(&path, tables.join("\n\n"))?;
        for name in ["server.lock", "server.digest"] {
            fs::remove_file(folder.join(name))?;
        }
        Ok(())
    }
}
