//! server.toml, and the server that it and its roles make.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kernel::Kernel;
use crate::names::Refused;
use crate::span::Located;
use crate::{
    Archive, AskedFor, Board, DebconfQuestion, Distribution, FirstBoot, Group, Hostname,
    KernelArgument, KnownSecret, LayerFormat, OverlayEntry, OwnFile, PackageName, PackageRequest,
    Part, PartName, Permission, Pin, Problems, StateEntry, User, read,
};

/// The whole of server.toml: these keys and those of [`Part`].
///
/// ```toml
/// hostname = "mail"          # or "mail.example.org"
/// board = "pc"               # a folder of boards/
///
/// [archive]                  # see Archive
/// [packages]                 # see Part; only servers have:
/// pin = []                   # see Pin
/// recommends = false         # whether Debian's Recommends are installed too
/// [kernel]                   # see Kernel
/// [health]
/// within = "120s"            # see Deadline
/// [layers]                   # see LayerFormat
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerToml {
    pub(crate) hostname: Hostname,
    pub(crate) board: Located<PartName>,
    pub(crate) archive: Archive,
    pub(crate) part: Part,
    pub(crate) health: Deadline,
    pub(crate) layers: LayerFormat,
}

impl ServerToml {
    /// Reads `text`, the content of `file`.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        read::document(file, text, |mut table| {
            let hostname = table.required("hostname", r#"as in hostname = "mail""#);
            let hostname = hostname.and_then(|value| value.text());
            let board = table.required("board", r#"as in board = "pc""#);
            let board = board.and_then(|value| value.text());
            let hint = "[archive] says which distribution, and of which day";
            let archive = table.required("archive", hint).and_then(|value| value.table());
            let archive = archive.and_then(Archive::read);
            let mut part = Part::read(&mut table, Part::read_choices);
            part.kernel = table.table("kernel").map(Kernel::read).unwrap_or_default();
            let health = table.table("health").map(Deadline::read).unwrap_or_default();
            let layers = table
                .table("layers")
                .map_or(Some(LayerFormat::default()), |layers| LayerFormat::read(layers));
            if let Some(Archive { distribution: Distribution::Arch(_), .. }) = &archive {
                part.refuse_debians_keys(&table);
            }
            table.finish();
            let hostname: Located<Hostname> = hostname?;
            Some(Self {
                hostname: hostname.value,
                board: board?,
                archive: archive?,
                part,
                health,
                layers: layers?,
            })
        })
    }

    /// The name of the board, which is needed before anything can be composed.
    pub fn board(&self) -> &PartName {
        &self.board.value
    }
}

/// How long a new generation may take to come up healthy before it is left again.
///
/// ```toml
/// [health]
/// within = "120s"     # the default; whole seconds or minutes ("3m"), at most an hour
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deadline(Duration);

impl Deadline {
    /// The time from the kernel's start.
    pub fn duration(self) -> Duration {
        self.0
    }

    fn read(mut table: read::Table<'_, '_>) -> Self {
        let within = table.value("within").and_then(|value| value.text());
        table.finish();
        within.map(|within| within.value).unwrap_or_default()
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self(Duration::from_secs(120))
    }
}

impl FromStr for Deadline {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let hint = "whole seconds or minutes; as in \"120s\" or \"3m\"";
        let (number, unit) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
            (Some(number), _) => (number, 1),
            (None, Some(number)) => (number, 60),
            (None, None) => return Err(Refused::new("is no span of time", hint)),
        };
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<u64> = number.parse().ok().filter(|_| digits);
        match number.and_then(|number| number.checked_mul(unit)) {
            None => Err(Refused::new("is no span of time", hint)),
            Some(seconds @ 1..=3600) => Ok(Self(Duration::from_secs(seconds))),
            Some(_) => Err(Refused::new("is not between a second and an hour", hint)),
        }
    }
}

/// A server, composed of its own definition, its roles and its board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The name of its Cargo package.
    pub name: PartName,
    /// Its crate's directory.
    pub dir: PathBuf,
    /// What it calls itself on the network.
    pub hostname: Hostname,
    /// What it runs on.
    pub board: Board,
    /// Where its packages come from.
    pub archive: Archive,
    /// The packages asked for, the kernel among them, sorted by name.
    pub install: Vec<PackageRequest>,
    /// Who asks for each of them.
    pub asked: BTreeMap<PackageName, AskedFor>,
    /// Package files beside the definition, sorted by path.
    pub own: Vec<OwnFile>,
    /// The packages held at a version, sorted by name.
    pub pins: Vec<Pin>,
    /// Whether Debian's Recommends are installed too.
    pub recommends: bool,
    /// The packages that bring the kernel; they are among `install`.
    pub kernel: Vec<PackageName>,
    /// The kernel's command line: the board's, then the roles', then the server's arguments.
    pub cmdline: Vec<KernelArgument>,
    /// Whether who is at the console may change that before the kernel starts.
    pub editable_cmdline: bool,
    /// Answers to debconf questions.
    pub debconf: BTreeMap<DebconfQuestion, String>,
    /// The files, symlinks and directories laid over the packages, sorted by path.
    pub overlay: Vec<OverlayEntry>,
    /// Declared users, sorted by name.
    pub users: Vec<User>,
    /// Declared groups, sorted by name.
    pub groups: Vec<Group>,
    /// What outlives a reboot, sorted by path.
    pub state: Vec<StateEntry>,
    /// Owners and modes, sorted by path.
    pub permissions: Vec<Permission>,
    /// What is made at first boot, sorted by path.
    pub first_boot: Vec<FirstBoot>,
    /// Secrets that are in the image on purpose, sorted by path.
    pub secrets: Vec<KnownSecret>,
    /// How long a new generation may take to come up healthy.
    pub health: Deadline,
    /// How layers are packed.
    pub layers: LayerFormat,
    /// Everything that it is made of, in the order in which it is laid; the server is the last.
    pub parts: Vec<PartName>,
    /// The bytes that people wrote: server, roles and board, without locks, records and tests.
    pub definition_bytes: u64,
    /// The directories that the definition consists of, for `git log`: see [`Epoch`](crate::Epoch).
    pub inputs: Vec<PathBuf>,
}

impl Server {
    /// `server.toml`.
    pub fn definition_path(&self) -> PathBuf {
        self.dir.join("server.toml")
    }

    /// `server.lock`, which need not be there yet.
    pub fn lock_path(&self) -> PathBuf {
        self.dir.join("server.lock")
    }

    /// `server.digest`, the record of what came out last.
    pub fn digest_path(&self) -> PathBuf {
        self.dir.join("server.digest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_seconds_or_minutes() {
        assert_eq!("90s".parse::<Deadline>().unwrap().duration().as_secs(), 90);
        assert_eq!("3m".parse::<Deadline>().unwrap().duration().as_secs(), 180);
        for bad in ["", "s", "90", "0s", "61m", "+5s", "1h", "1.5s", "99999999999999999999s"] {
            assert!(bad.parse::<Deadline>().is_err(), "{bad}");
        }
    }
}
