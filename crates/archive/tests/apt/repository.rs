//! The indexes of a lock laid out as a repository, and apt at work on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use archive::debian;
use digest::Digest;
use lock::Lock;
use sandbox::{Program, ToolRoot, Tools};
use store::{Options, Store};
use tempfile::TempDir;

use crate::{Versions, request};

/// The list of packages below a suite.
const LIST: &str = "main/binary-amd64/Packages.xz";
/// Where apt sees the repository.
pub(crate) const HERE: &str = "/work/repository";

/// What is installed already when apt begins.
#[derive(Clone, Copy)]
pub(crate) enum System {
    /// Nothing.
    Empty,
    /// The essential packages and what they need.
    Base,
}

/// The newest indexes of all suites, laid out for apt.
pub(crate) struct Repository {
    release: &'static str,
    store: Store,
    apt: ToolRoot,
    folder: TempDir,
    /// A lock of the essential packages: others are resolved against the same indexes.
    lock: Lock,
    /// The essential packages by name.
    pub(crate) essential: BTreeSet<String>,
    /// The versions of [`System::Base`], as apt chose them.
    pub(crate) base: Versions,
}

impl Repository {
    /// bookworm's of this process, made when it is first needed.
    pub(crate) fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<Repository, String>> = OnceLock::new();
        Self::once(&SHARED, "bookworm")
    }

    /// trixie's.
    pub(crate) fn of_trixie() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<Repository, String>> = OnceLock::new();
        Self::once(&SHARED, "trixie")
    }

    fn once(
        shared: &'static OnceLock<Result<Self, String>>,
        release: &'static str,
    ) -> Result<&'static Self, String> {
        shared
            .get_or_init(|| Self::new(release).map_err(|error| error.to_string()))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn new(release: &'static str) -> Result<Self, Box<dyn std::error::Error>> {
        let store = Store::open(Options::from_environment()?)?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let apt = Tools::open(&workspace, &store)?.root(Program::AptGet.group())?;
        let lock = debian::resolve(&store, &request(release, []), None)?;
        let folder = tempfile::tempdir()?;
        let (essential, base) = (BTreeSet::new(), Versions::new());
        let mut repository = Self { release, store, apt, folder, lock, essential, base };
        repository.lay_out()?;
        repository.run(["update"])?;
        let lists = repository.lists()?;
        let essential = lists.split("\n\n").filter(|stanza| stanza.contains("\nEssential: yes"));
        repository.essential = essential.map(|stanza| field(stanza, "Package: ")).collect();
        repository.base =
            repository.apt(System::Empty, repository.essential.iter().map(String::as_str))?;
        repository.take_base_for_installed(&lists)?;
        Ok(repository)
    }

    /// Where it is laid out.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its files come from.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The lock whose indexes it has.
    pub(crate) fn lock(&self) -> &Lock {
        &self.lock
    }

    /// What the resolver takes.
    pub(crate) fn resolve<'p>(
        &self,
        packages: impl IntoIterator<Item = &'p str>,
    ) -> Result<Lock, archive::Error> {
        debian::resolve(&self.store, &request(self.release, packages), Some(&self.lock))
    }

    /// What apt would install on that system, which may be nothing new.
    pub(crate) fn apt<'p>(
        &self,
        system: System,
        packages: impl IntoIterator<Item = &'p str>,
    ) -> Result<Versions, String> {
        let status = match system {
            System::Empty => "--option=Dir::State::status=/work/repository/nothing",
            System::Base => "--option=Dir::State::status=/work/repository/base",
        };
        let words = ["install", "--simulate", "--assume-yes", status];
        let output = self.run(words.into_iter().chain(packages))?;
        let installed = output.lines().filter_map(|line| {
            let mut words = line.strip_prefix("Inst ")?.split_whitespace();
            let name = words.next()?;
            // The version that is there stands before, in brackets.
            let version = words.find_map(|word| word.strip_prefix('('))?;
            Some((name.to_owned(), version.to_owned()))
        });
        Ok(installed.collect())
    }

    /// The base system and what apt would add to it.
    pub(crate) fn with_base<'p>(
        &self,
        packages: impl IntoIterator<Item = &'p str>,
    ) -> Result<Versions, String> {
        let added = self.apt(System::Base, packages)?;
        Ok(self.base.clone().into_iter().chain(added).collect())
    }

    /// The versions of a package that the suites have.
    pub(crate) fn versions(&self, name: &str) -> std::io::Result<BTreeSet<String>> {
        let lists = self.lists()?;
        let of_it = lists.split("\n\n").filter(|stanza| field(stanza, "Package: ") == name);
        Ok(of_it.map(|stanza| field(stanza, "Version: ")).collect())
    }

    /// All versions that packages of the suites have.
    pub(crate) fn all_versions(&self) -> std::io::Result<BTreeSet<String>> {
        let lists = self.lists()?;
        Ok(lists
            .lines()
            .filter_map(|line| line.strip_prefix("Version: "))
            .map(str::to_owned)
            .collect())
    }

    /// Runs apt-get on this repository alone; its output.
    fn run<'p>(&self, arguments: impl IntoIterator<Item = &'p str>) -> Result<String, String> {
        self.apt_get(self.folder.path(), arguments)
    }

    /// The same on another repository.
    pub(crate) fn apt_get<'p>(
        &self,
        folder: &Path,
        arguments: impl IntoIterator<Item = &'p str>,
    ) -> Result<String, String> {
        self.program(Program::AptGet, folder, arguments)
    }

    /// Runs apt-cache on another repository; its output.
    pub(crate) fn apt_cache<'p>(
        &self,
        folder: &Path,
        arguments: impl IntoIterator<Item = &'p str>,
    ) -> Result<String, String> {
        self.program(Program::AptCache, folder, arguments)
    }

    fn program<'p>(
        &self,
        program: Program,
        folder: &Path,
        arguments: impl IntoIterator<Item = &'p str>,
    ) -> Result<String, String> {
        self.apt
            .command(program)
            .bind_rw(folder, HERE)
            .env("APT_CONFIG", format!("{HERE}/apt.conf"))
            .args(arguments)
            .run()
            .map(|output| output.text())
            .map_err(|error| error.to_string())
    }

    fn lay_out(&self) -> std::io::Result<()> {
        for folder in ["state/lists/partial", "cache/archives/partial", "etc/preferences.d"] {
            fs::create_dir_all(self.folder.path().join(folder))?;
        }
        let mut sources = String::new();
        for index in &self.lock.indexes {
            let release = fs::read_to_string(self.store.path(index.sha256))?;
            let list = release
                .lines()
                .filter(|line| line.ends_with(&format!(" {LIST}")))
                .find_map(|line| Digest::from_hex(line.split_whitespace().next()?).ok())
                .unwrap();
            let path = self.list(&index.suite);
            fs::create_dir_all(path.parent().unwrap())?;
            fs::copy(self.store.path(list), path)?;
            let suite = self.folder.path().join("dists").join(&index.suite);
            fs::write(suite.join("InRelease"), release)?;
            // Signatures have tests of their own.
            writeln!(sources, "deb [trusted=yes] file:{HERE} {} main", index.suite).unwrap();
        }
        for (file, text) in
            [("sources.list", sources.as_str()), ("nothing", ""), ("apt.conf", CONFIGURATION)]
        {
            fs::write(self.folder.path().join(file), text)?;
        }
        Ok(())
    }

    fn take_base_for_installed(&self, lists: &str) -> std::io::Result<()> {
        let mut status = BTreeMap::new();
        for stanza in lists.split("\n\n") {
            let name = field(stanza, "Package: ");
            if self.base.get(&name) == Some(&field(stanza, "Version: ")) {
                let stanza = format!("{}\nStatus: install ok installed\n\n", stanza.trim());
                status.insert(name, stanza);
            }
        }
        assert_eq!(status.len(), self.base.len());
        fs::write(self.folder.path().join("base"), status.into_values().collect::<String>())
    }

    /// The lists of all suites, one after the other.
    fn lists(&self) -> std::io::Result<String> {
        let mut lists = String::new();
        for index in &self.lock.indexes {
            let list = fs::read(self.list(&index.suite))?;
            liblzma::read::XzDecoder::new_multi_decoder(&list[..]).read_to_string(&mut lists)?;
            lists.push('\n');
        }
        Ok(lists)
    }

    fn list(&self, suite: &str) -> PathBuf {
        self.folder.path().join("dists").join(suite).join(LIST)
    }
}

/// A system of its own for apt, that knows nothing of the root that apt runs in.
pub(crate) const CONFIGURATION: &str = r#"
Dir "/work/repository";
Dir::State "/work/repository/state";
Dir::State::status "/work/repository/nothing";
Dir::Cache "/work/repository/cache";
Dir::Cache::pkgcache "";
Dir::Etc "/work/repository/etc";
Dir::Etc::sourcelist "/work/repository/sources.list";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourceparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
"#;

fn field(stanza: &str, name: &str) -> String {
    let value = stanza.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_default().to_owned()
}
