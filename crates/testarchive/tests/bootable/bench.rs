//! gitserver's Debian tree and the archive made of it, once for all tests.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libtest_mimic::Failed;
use lock::Lock;
use rootfs::{arch, debian, packages};
use sandbox::{Group, Job, JobFailure, ToolRoot, Tools};
use serde::{Deserialize, Serialize};
use store::{Options, Store};
use tempfile::TempDir;
use testarchive::{Bootable, Keys, Package};

/// 22 November 2026, the day of the lock.
const EPOCH: u64 = 1_795_305_600;

/// What a server like gitserver asks for.
pub(crate) const WANTED: [&str; 7] =
    ["base", "linux", "systemd", "openssh", "git", "nginx", "fcgiwrap"];

/// A file of a package that is installed besides.
pub(crate) const LETTERS: &str = "usr/share/letters/Főtanúsítvány";

pub(crate) struct Bench {
    keys: &'static Keys,
    pub(crate) tools: ToolRoot,
    pub(crate) folder: TempDir,
    pub(crate) made: Bootable<'static>,
}

impl Bench {
    pub(crate) fn shared() -> Result<&'static Self, Failed> {
        static SHARED: OnceLock<Result<Bench, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::new().map_err(|error| error.to_string()));
        shared.as_ref().map_err(|error| error.as_str().into())
    }

    fn new() -> Result<Self, Box<dyn Error>> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let store = Store::open(Options::from_environment()?)?;
        let lock = Lock::read(&workspace.join("servers/gitserver/server.lock"))?;
        store.fetch(&lock.items())?;
        let folder = tempfile::tempdir()?;
        sandbox::in_namespace(&debian::Packages::of(&lock, &store, EPOCH, 2, folder.path()))?;
        // As long as the process, as all of this is.
        let keys: &Keys = Box::leak(Box::new(Keys::generate()));
        let tree = folder.path().join(packages::TREE);
        let made = testarchive::bootable(&tree, &folder.path().join("archive"), keys);
        let tools = Tools::open(&workspace, &store)?.root(Group::Pacman)?;
        Ok(Self { keys, tools, folder, made })
    }

    /// The tree of all packages of the last day and one more, in a folder of its own, as a build makes it.
    pub(crate) fn install(&self, out: &Path) -> Result<(), Failed> {
        let [.., last] = testarchive::DAYS;
        let repository = self.made.archive.repository(last, "core");
        let mut names: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(&repository)? {
            names.push(entry?.file_name().into_string().unwrap());
        }
        names.retain(|name| name.ends_with(".zst"));
        names.sort();
        let file = |name: String| arch::PackageFile { path: repository.join(&name), name };
        let letters = Package::new("letters", "1-1").file(LETTERS, 0o644, "ASCII is not all\n");
        let letters = letters.pack(self.keys);
        let path = out.join("letters");
        std::fs::write(&path, letters.bytes)?;
        let letters = arch::PackageFile { path, name: letters.file_name };
        sandbox::in_namespace(&arch::Packages {
            own: Vec::new(),
            files: names.into_iter().map(file).chain([letters]).collect(),
            explicit: WANTED.map(str::to_owned).into(),
            tools: self.tools.path().to_owned(),
            architecture: "x86_64".to_owned(),
            assume_installed: vec!["initramfs".to_owned()],
            epoch: EPOCH,
            threads: 2,
            out: out.to_owned(),
        })?;
        Ok(())
    }

    /// The Debian tree.
    pub(crate) fn tree(&self) -> PathBuf {
        self.folder.path().join(packages::TREE)
    }
}

/// Does nothing, where that is possible.
#[derive(Serialize, Deserialize)]
pub(crate) struct Nothing;

impl Job for Nothing {
    const NAME: &'static str = "nothing";
    type Output = ();

    fn run(self) -> Result<(), JobFailure> {
        Ok(())
    }
}
