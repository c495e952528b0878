//! Erofs layers: the job that unpacks a tree's archive and packs it with mkfs.erofs.
//!
//! The mkfs.erofs of bookworm, 1.5, reads directories only, so the tree is unpacked where all of a
//! server's users are: in a job of the sandbox. The filesystem is a function of the archive, not of
//! the directory that it was unpacked into. From the source of erofs-utils 1.5:
//!
//! * Names are sorted before anything is made of them (`erofs_prepare_dir_file`), and inodes are
//!   numbered as they are then met: the order of the directory is without effect.
//! * Attributes that several files share are found in the order of the directory, and those of one
//!   value stay in it. So none are shared: [`NOT_SHARED`].
//! * The attributes of one file are written as the file system lists them:
//!   [`crate::unpacked`] sees to that order.
//! * `SOURCE_DATE_EPOCH` is the filesystem's time and the latest of its files; `-T` would give all
//!   files that time.
//! * Names that begin with `lost+found` are left out (`erofs_mkfs_build_tree`), so they are refused.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use rootfs::tarball;
use sandbox::{Job, JobFailure, Program, ToolRoot};
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::place::Place;
use crate::unpacked::Unpacked;
use crate::{Error, Result};

/// Compression, in clusters of 64 KiB (Linux 5.13 and later). A server of 301 MB: 191 MB in
/// 1.4 s; lz4hc 171 MB in 17 s.
const COMPRESSION: [&str; 2] = ["-zlz4", "-C65536"];

/// A number of files that share an attribute which no tree reaches: INT_MAX, at which mkfs.erofs
/// does not look for any.
const NOT_SHARED: &str = "-x2147483647";

/// Where mkfs.erofs sees the tree.
const TREE: &str = "/work/tree";

/// A size that no memory has: room for it is on disk.
const ON_DISK: u64 = u64::MAX;

/// The job that makes an erofs. Made and run by [`crate::layer::build`]; executables that call it
/// have to serve this job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erofs {
    /// The tool root that has mkfs.erofs.
    pub(crate) tools: PathBuf,
    /// The tree's archive.
    pub(crate) tar: PathBuf,
    /// Seconds since 1970.
    pub(crate) epoch: u64,
    /// The filesystem to be.
    pub(crate) out: PathBuf,
}

impl Job for Erofs {
    const NAME: &'static str = "erofs layer";
    /// What mkfs.erofs says without failing.
    type Output = String;

    fn run(self) -> std::result::Result<String, JobFailure> {
        self.make().map_err(|error| JobFailure::with_hint(&error, error.hint()))
    }
}

impl Erofs {
    fn make(&self) -> Result<String> {
        let size = self.tar.metadata().map_err(Error::io("look at", &self.tar))?.len();
        match self.pack(size) {
            // In memory there are no attributes of users before Linux 6.6, and their order is the
            // kernel's.
            Err(Error::Attribute { .. } | Error::Unfit { .. }) => self.pack(ON_DISK),
            result => result,
        }
    }

    /// Unpacks the archive into room for `size` bytes and makes the filesystem of that.
    fn pack(&self, size: u64) -> Result<String> {
        let tool = |source| Error::Tool { what: "erofs", source };
        let scratch = sandbox::scratch(size).map_err(tool)?;
        let tree = scratch.path().join("tree");
        self.unpack(&tree)?;
        let out = Place::create(&self.out)?;
        let command = ToolRoot::at(&self.tools)
            .command(Program::MkfsErofs)
            .args(["--quiet", NOT_SHARED])
            .args(COMPRESSION)
            .arg(format!("-U{}", Identity::erofs()))
            .args([out.inside(), TREE])
            .bind_ro(&tree, TREE)
            .epoch(self.epoch)
            .free_sync();
        let output = out.show(command).run().map_err(tool)?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn unpack(&self, tree: &Path) -> Result<()> {
        let file = File::open(&self.tar).map_err(Error::io("open", &self.tar))?;
        let mut unpacked = Unpacked::create(tree)?;
        let reader = BufReader::with_capacity(1 << 20, file);
        let read = tarball::read(reader, |header, content| {
            if header.path.split(|byte| *byte == b'/').any(|name| name.starts_with(b"lost+found")) {
                let why = "names that begin with lost+found are left out".to_owned();
                return Err(Failure::Member(Error::Unfit { member: header.shown(), why }));
            }
            unpacked.lay(header, content).map_err(Failure::Member)
        });
        match read {
            Ok(()) => unpacked.settle(),
            Err(Failure::Archive(source)) => Err(Error::io("read", &self.tar)(source)),
            Err(Failure::Member(error)) => Err(error),
        }
    }
}

/// Why an archive could not be unpacked.
enum Failure {
    Archive(io::Error),
    Member(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Archive(error)
    }
}
