//! pacman at work on the real databases, with nothing installed.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{self, AtomicUsize};
use std::sync::{Mutex, OnceLock, PoisonError};

use sandbox::{Command, Group, ToolRoot, Tools};
use store::{Options, Store};
use tempfile::TempDir;

/// Where pacman sees its folder.
pub(crate) const HERE: &str = "/work/system";

/// A system of its own for pacman: an empty root, and the databases as if just fetched.
pub(crate) struct Pacman {
    store: Store,
    root: ToolRoot,
    folder: TempDir,
    alone: Mutex<()>,
    compared: AtomicUsize,
}

/// The file of a database.
pub(crate) fn database(repository: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/arch/data/{repository}.db"))
}

impl Pacman {
    /// The one of this process, made when it is first needed.
    pub(crate) fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<Pacman, String>> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::new().map_err(|error| error.to_string()))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let store = Store::open(Options::from_environment()?)?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = Tools::open(&workspace, &store)?.root(Group::Pacman)?;
        let folder = tempfile::tempdir()?;
        for inner in ["db/sync", "db/local", "root", "cache", "gpg", "hooks"] {
            fs::create_dir_all(folder.path().join(inner))?;
        }
        for repository in ["core", "extra"] {
            let to = folder.path().join("db/sync").join(format!("{repository}.db"));
            fs::copy(database(repository), to)?;
        }
        fs::write(folder.path().join("db/local/ALPM_DB_VERSION"), "9\n")?;
        fs::write(folder.path().join("pacman.conf"), CONFIGURATION)?;
        Ok(Self { store, root, folder, alone: Mutex::new(()), compared: AtomicUsize::new(0) })
    }

    /// The store that the tool root comes from.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Where pacman's folder lies.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What pacman would install for each of many sets, as `name version`, sorted; none where it
    /// refuses.
    ///
    /// It is asked to install and shows the list before it finds that there are no package files:
    /// `--print` would be shorter, but leaves out the search for conflicts.
    pub(crate) fn would_install(
        &self,
        sets: &[Vec<&str>],
    ) -> Result<Vec<Option<Vec<String>>>, String> {
        self.would_install_of("db", sets)
    }

    /// The same of the databases in another folder of pacman's.
    pub(crate) fn would_install_of(
        &self,
        databases: &str,
        sets: &[Vec<&str>],
    ) -> Result<Vec<Option<Vec<String>>>, String> {
        let mut script = String::new();
        for set in sets {
            script.push_str(&format!(
                "pacman --config {HERE}/pacman.conf --dbpath {HERE}/{databases} --noconfirm \
                 --assume-installed initramfs -S {} 2>{HERE}/said\necho next\n",
                set.join(" ")
            ));
        }
        let output = self.shell(&script)?;
        let mut answers: Vec<_> = output.split("next\n").map(listed).collect();
        answers.truncate(sets.len());
        Ok(answers)
    }

    /// The order of each pair of versions: one package provides a name for each pair, in its first
    /// version, and pacman says which of the names are older or newer than the second.
    pub(crate) fn compare(&self, pairs: &[(String, String)]) -> Result<Vec<Ordering>, String> {
        let system = format!("versions-{}", self.compared.fetch_add(1, atomic::Ordering::Relaxed));
        let mut description = String::from("%NAME%\nmany\n\n%VERSION%\n1-1\n\n%PROVIDES%\n");
        let mut script = format!("pacman --config {HERE}/pacman.conf --dbpath {HERE}/{system} -T");
        for (at, (one, other)) in pairs.iter().enumerate() {
            description.push_str(&format!("pair{at}={one}\n"));
            script.push_str(&format!(" 'pair{at}<{other}' 'pair{at}>{other}'"));
        }
        script.push_str(" || [ $? = 127 ]\n");
        let installed = self.folder.path().join(&system).join("local/many-1-1");
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&installed)?;
            fs::write(installed.join("../ALPM_DB_VERSION"), "9\n")?;
            fs::write(installed.join("files"), "%FILES%\n")?;
            fs::write(installed.join("desc"), description)
        };
        write().map_err(|error| error.to_string())?;
        let missing = self.shell(&script)?;
        let missing: HashSet<&str> = missing.lines().collect();
        let orders = pairs.iter().enumerate().map(|(at, (_, other))| {
            let is = |sign| !missing.contains(format!("pair{at}{sign}{other}").as_str());
            match (is("<"), is(">")) {
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => Ordering::Equal,
                (true, true) => panic!("pair {at} is both"),
            }
        });
        Ok(orders.collect())
    }

    /// Runs a script of the shell; its output.
    pub(crate) fn shell(&self, script: &str) -> Result<String, String> {
        // pacman takes a lock, and there is one file for the script.
        let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        fs::write(self.folder.path().join("script"), script).map_err(|error| error.to_string())?;
        Command::new(self.root.path(), "/bin/dash")
            .bind_rw(self.folder.path(), HERE)
            .arg(format!("{HERE}/script"))
            .run()
            .map(|output| output.text())
            .map_err(|error| error.to_string())
    }
}

/// The packages in `Packages (2) acl-2.3.1-1  bash-5.1.004-1`.
fn listed(output: &str) -> Option<Vec<String>> {
    let list = output.lines().find_map(|line| line.strip_prefix("Packages (")?.split_once(") "))?;
    let mut packages: Vec<_> = list
        .1
        .split_whitespace()
        .map(|word| {
            let at = word.rmatch_indices('-').nth(1).unwrap().0;
            format!("{} {}", &word[..at], &word[at + 1..])
        })
        .collect();
    packages.sort();
    Some(packages)
}

/// Nothing of the root that pacman runs in.
const CONFIGURATION: &str = "
[options]
RootDir = /work/system/root
DBPath = /work/system/db
CacheDir = /work/system/cache
GPGDir = /work/system/gpg
HookDir = /work/system/hooks
LogFile = /work/system/log
Architecture = x86_64
SigLevel = Never

[core]
Server = file:///work/system

[extra]
Server = file:///work/system
";
