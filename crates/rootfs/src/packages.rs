//! The package tree of a server, whichever its distribution: what comes out of [`crate::debian`]
//! and [`crate::arch`], and what both do to a tree.
//!
//! `docs/reference/package-tree.md` says what is done to a tree, and why.

mod caches;
mod normalise;

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(crate) use caches::refresh;
#[cfg(test)]
pub(crate) use normalise::is_removed;
pub(crate) use normalise::{Normal, Removal, Removed, Times, UPDATED, normalise, updated};
use serde::{Deserialize, Serialize};
use unpack::Inside;

use crate::accounts::{self, Accounts};
use crate::error::Error;
use crate::facts::{self, Facts};
use crate::ids::Ids;
use crate::paths::Paths;
use crate::tarball::{Header, Kind, Writer};

/// The name of the tree's archive in the output directory.
pub const TREE: &str = "tree.tar";
/// The name of its facts.
pub const FACTS: &str = "facts.json";
/// The name of its paths.
pub const PATHS: &str = "paths.json";

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

/// About as many bytes as package files will have when they are unpacked: twice to four times the
/// compressed size is usual.
pub(crate) fn expected_size<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> u64 {
    let sizes = files.into_iter().filter_map(|file| file.metadata().ok());
    sizes.map(|metadata| metadata.len()).sum::<u64>() * 4
}

/// Writes the three files of a finished tree to the directory `out`.
pub(crate) fn write(
    out: &Path,
    tree: &Path,
    normal: Normal,
    packages: u64,
) -> Result<Produced, Error> {
    let Normal { headers, secrets } = normal;
    let path = out.join(TREE);
    let write = |source| Error::Write { path: path.clone(), source };
    let file = File::create(&path).map_err(write)?;
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, file));
    for header in &headers {
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

    let paths = Paths::new(&headers);
    paths.write(&out.join(PATHS))?;
    let accounts = read_accounts(tree)?;
    let facts = Facts {
        ids: Ids {
            users: accounts::ids("/etc/passwd", &accounts.passwd)?,
            groups: accounts::ids("/etc/group", &accounts.group)?,
        },
        accounts,
        kernel: facts::kernel(&headers),
        installed_size: headers.iter().map(Header::size).sum(),
        packages,
        secrets,
    };
    facts.write(&out.join(FACTS))?;
    Ok(Produced { packages, installed_size: facts.installed_size, timings: vec![] })
}

fn read_accounts(tree: &Path) -> Result<Accounts, Error> {
    let inside = Inside::open(tree)?;
    let read = |path: &str| inside.text(path).map(Option::unwrap_or_default);
    Ok(Accounts {
        passwd: read("etc/passwd")?,
        group: read("etc/group")?,
        shadow: read("etc/shadow")?,
        gshadow: read("etc/gshadow")?,
    })
}

/// The versions of the tree's kernels, sorted.
pub(crate) fn kernels(tree: &Path) -> Result<Vec<String>, Error> {
    Ok(Inside::open(tree)?.directories("usr/lib/modules")?)
}

/// Seconds of the phases.
pub(crate) struct Clock {
    last: Instant,
    laps: Vec<(String, f64)>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { last: Instant::now(), laps: vec![] }
    }

    pub(crate) fn lap(&mut self, phase: &str) {
        let now = Instant::now();
        self.laps.push((phase.to_owned(), (now - self.last).as_secs_f64()));
        self.last = now;
    }

    /// The phases so far, with their seconds.
    pub(crate) fn laps(self) -> Vec<(String, f64)> {
        self.laps
    }
}
