//! The programs, and a folder that they see as `/work/folder`.

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use sandbox::{Command, Group, Output, ToolRoot, Tools};
use store::{Options, Store};
use tempfile::TempDir;

/// Where programs see the folder.
pub(crate) const HERE: &str = "/work/folder";

pub(crate) struct Bench {
    tools: ToolRoot,
    pub(crate) folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Result<Self, Failed> {
        let store = Store::open(Options::from_environment()?)?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let tools = Tools::open(&workspace, &store)?.root(Group::Pacman)?;
        let bench = Self { tools, folder: tempfile::tempdir()? };
        bench
            .write("pacman.conf", b"[options]\nArchitecture = auto\nLocalFileSigLevel = Never\n")?;
        fs::create_dir_all(bench.folder.path().join("root/gnupg"))?;
        Ok(bench)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        Ok(fs::write(self.folder.path().join(name), bytes)?)
    }

    /// Runs a program of the group in the folder.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> sandbox::Result<Output> {
        self.command(program, arguments).run()
    }

    /// The same, whether it calls itself successful or not.
    pub(crate) fn run_whatever(&self, program: &str, args: &[&str]) -> sandbox::Result<Output> {
        (1..=2).fold(self.command(program, args), Command::accept).run()
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        Command::new(self.tools.path(), format!("/usr/bin/{program}"))
            .bind_rw(self.folder.path(), HERE)
            .network(true)
            .cwd(HERE)
            .args(arguments)
    }

    /// Runs pacman with a configuration and a database of its own.
    pub(crate) fn pacman(&self, arguments: &[&str]) -> sandbox::Result<Output> {
        let root = self.folder.path().join("root");
        for folder in ["db/sync", "cache"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let own = format!("--root={HERE}/root --dbpath={HERE}/root/db --gpgdir={HERE}/root/gnupg");
        let own = format!("{own} --config={HERE}/pacman.conf --cachedir={HERE}/root/cache");
        let own: Vec<&str> = own.split(' ').chain(["--noconfirm"]).collect();
        self.run("pacman", &[&own, arguments].concat())
    }
}
