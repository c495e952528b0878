//! The package tree of a Debian server: from locked files to `tree.tar`.
//!
//! A [`sandbox::Job`]: it runs as root of a namespace that has a server's users, unpacks all
//! packages at once, writes dpkg's database, runs the packages' own scripts once by the tree's
//! `dpkg --configure -a`, takes away whatever would differ the next time, and writes the tree as a
//! canonical archive. The tree itself never leaves the job's scratch.
//!
//! `docs/reference/package-tree.md` says what is done to a tree, and why.

mod configure;
mod database;
mod debconf;
mod normalise;
mod relations;
mod stubs;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(crate) use normalise::{UPDATED, updated};
use serde::{Deserialize, Serialize};
use unpack::{Options, Owners, Tree};

use crate::accounts::{self, Accounts};
use crate::error::Error;
use crate::facts::{self, Facts};
use crate::ids::Ids;
use crate::paths::Paths;
use crate::tarball::{Header, Kind, Writer};

/// Bumped when the same lock comes to give another tree, so that old trees are not reused.
pub const VERSION: u32 = 1;

/// The name of the tree's archive in the output directory.
pub const TREE: &str = "tree.tar";
/// The name of its facts.
pub const FACTS: &str = "facts.json";
/// The name of its paths.
pub const PATHS: &str = "paths.json";

/// The job: everything that a package tree is a function of, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packages {
    /// The package files, in the lock's order (by name).
    pub files: Vec<PathBuf>,
    /// The distribution's name of the architecture: `amd64`.
    pub architecture: String,
    /// Answers to the packages' questions: `postfix/main_mailer_type` = `No configuration`.
    pub debconf: BTreeMap<String, String>,
    /// The lock's day in seconds since 1970: no time in the tree is later.
    pub epoch: u64,
    /// How many packages are unpacked at a time; the result does not depend on it.
    pub threads: usize,
    /// Where `tree.tar`, `facts.json` and `paths.json` are written.
    pub out: PathBuf,
}

/// What a finished job says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Produced {
    /// How many packages are installed.
    pub packages: u64,
    /// Bytes of all files.
    pub installed_size: u64,
    /// Phases and their seconds, in order.
    pub timings: Vec<(String, f64)>,
}

impl sandbox::Job for Packages {
    const NAME: &'static str = "package tree";
    type Output = Produced;

    fn run(self) -> Result<Produced, sandbox::JobFailure> {
        self.produce().map_err(|error| sandbox::JobFailure::with_hint(&error, error.hint()))
    }
}

impl Packages {
    fn produce(&self) -> Result<Produced, Error> {
        // Modes of what is written here must not depend on who started us.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let mut clock = Clock::new();
        let scratch = sandbox::scratch(self.expected_size())?;
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).map_err(|source| Error::Write { path: tree.clone(), source })?;

        let packages = self.unpack(&tree)?;
        clock.lap("unpack");
        database::write(&tree, &self.architecture, &packages)?;
        clock.lap("database");
        let root = configure::Root { tree: &tree, epoch: self.epoch, packages: &packages };
        let selections = debconf::selections(&packages, &self.debconf)?;
        root.scripts(&selections, |phase| clock.lap(phase))?;
        let times: HashMap<Vec<u8>, i64> = packages
            .iter()
            .flat_map(|package| &package.members)
            .filter(|laid| laid.kind != unpack::Kind::Directory)
            .map(|laid| (laid.place.as_os_str().as_bytes().to_vec(), laid.mtime))
            .collect();
        let headers = normalise::normalise(&tree, self.epoch, &times)?;
        clock.lap("normalise");
        let produced = self.write(&tree, &headers, packages.len() as u64)?;
        clock.lap("tar");
        Ok(Produced { timings: clock.laps, ..produced })
    }

    /// Twice to four times the compressed size is usual.
    fn expected_size(&self) -> u64 {
        let sizes = self.files.iter().filter_map(|file| file.metadata().ok());
        sizes.map(|metadata| metadata.len()).sum::<u64>() * 4
    }

    fn unpack(&self, tree: &Path) -> Result<Vec<unpack::Package>, Error> {
        let options = Options { owners: Owners::Keep, usr_merge: true };
        let root = Tree::open(tree, &options)
            .map_err(|source| Error::Write { path: tree.to_owned(), source })?;
        let threads = self.threads;
        let mut packages =
            unpack::packages(&self.files, &root, &options, threads, relations::replaces)?;
        // The first package that has a directory decides on its mode: base-files is the one that
        // knows (`/tmp`, `/root`, `/var/mail`).
        packages.sort_by_key(|package| package.control.package() != "base-files");
        root.settle(&packages, &options)?;
        Ok(packages)
    }

    fn write(&self, tree: &Path, headers: &[Header], packages: u64) -> Result<Produced, Error> {
        let path = self.out.join(TREE);
        let write = |source| Error::Write { path: path.clone(), source };
        let file = File::create(&path).map_err(write)?;
        let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, file));
        for header in headers {
            let place = tree.join(std::ffi::OsStr::from_bytes(&header.path));
            let appended = match header.kind {
                Kind::File(_) => {
                    File::open(&place).and_then(|mut file| writer.append(header, &mut file))
                }
                _ => writer.append(header, &mut io::empty()),
            };
            appended.map_err(write)?;
        }
        writer.finish().map_err(write)?;

        let paths = Paths::new(headers);
        paths.write(&self.out.join(PATHS))?;
        let accounts = read_accounts(tree)?;
        let facts = Facts {
            ids: Ids {
                users: accounts::ids("/etc/passwd", &accounts.passwd)?,
                groups: accounts::ids("/etc/group", &accounts.group)?,
            },
            accounts,
            kernel: facts::kernel(headers),
            installed_size: headers.iter().map(Header::size).sum(),
            packages,
        };
        facts.write(&self.out.join(FACTS))?;
        Ok(Produced { packages, installed_size: facts.installed_size, timings: vec![] })
    }
}

fn read_accounts(tree: &Path) -> Result<Accounts, Error> {
    let read = |name: &str| {
        let path = tree.join("etc").join(name);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            result => result.map_err(|source| Error::Read { path, source }),
        }
    };
    Ok(Accounts {
        passwd: read("passwd")?,
        group: read("group")?,
        shadow: read("shadow")?,
        gshadow: read("gshadow")?,
    })
}

/// Seconds of the phases.
struct Clock {
    last: Instant,
    laps: Vec<(String, f64)>,
}

impl Clock {
    fn new() -> Self {
        Self { last: Instant::now(), laps: vec![] }
    }

    fn lap(&mut self, phase: &str) {
        let now = Instant::now();
        self.laps.push((phase.to_owned(), (now - self.last).as_secs_f64()));
        self.last = now;
    }
}
