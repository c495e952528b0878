//! Filesystem layers: from a tree's tar archive to a blob with its hash tree.
//!
//! No privileges are needed: owners, modes, extended attributes and hard links go straight from
//! the archive into the filesystem.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use generation::LayerFormat;
use sandbox::{Command, Group, Program, Stdin, ToolRoot};

use crate::identity::Identity;
use crate::place::Place;
use crate::tree::Tree;
use crate::verity::{self, Sealed};
use crate::{Error, Result};

/// Counts up when the same inputs give other bytes.
pub const VERSION: u32 = 1;

/// zstd's level for squashfs. A mail server of 417 MB: level 3 gives 185 MB in 1.5 s, level 9
/// 177 MB in 4.6 s, level 15 169 MB in 45 s.
const SQUASHFS_LEVEL: &str = "3";

/// Compression of erofs, in clusters of 64 KiB. A mail server of 398 MB: 237 MB in 1.9 s; lz4hc
/// 209 MB in 12 s, zstd (Linux 6.10 and later) 188 MB in 15 s.
const EROFS_COMPRESSION: [&str; 2] = ["-zlz4", "-C65536"];

/// The group of tools that makes layers of `format`.
pub fn group(format: LayerFormat) -> Group {
    match format {
        LayerFormat::Squashfs => Group::Image,
        LayerFormat::Erofs => Group::Erofs,
    }
}

/// Makes the layer `out` of the tree in the archive `tar`, with `tools` the root of [`group`].
/// `epoch`, in seconds since 1970, is the time of the filesystem; files have those of the archive.
pub fn build(
    tools: &ToolRoot,
    format: LayerFormat,
    tar: &Path,
    epoch: u64,
    out: &Path,
) -> Result<Sealed> {
    check_clock(epoch)?;
    // Nothing of it is needed here, but that it is canonical: mksquashfs makes up directories
    // that the archive does not have, with owners and modes of its own.
    Tree::open(tar)?;
    let input = File::open(tar).map_err(Error::io("open", tar))?;
    let out_place = Place::create(out)?;
    let command = match format {
        LayerFormat::Squashfs => squashfs(tools, &out_place),
        LayerFormat::Erofs => erofs(tools, &out_place, epoch),
    };
    let output = out_place
        .show(command)
        .epoch(epoch)
        .stdin(Stdin::File(input))
        .free_sync()
        .run()
        .map_err(|source| Error::Tool { what: format.name(), source })?;
    warn(format, &output.stderr);
    verity::seal(out)
}

fn squashfs(tools: &ToolRoot, out: &Place) -> Command {
    tools
        .command(Program::Mksquashfs)
        .args(["-", out.inside(), "-tar", "-noappend", "-quiet", "-no-progress", "-exit-on-error"])
        .args(["-comp", "zstd", "-Xcompression-level", SQUASHFS_LEVEL, "-b", "128K", "-xattrs"])
        // An archive's entry for the root itself is ignored; the times are SOURCE_DATE_EPOCH's.
        .args(["-root-mode", "0755", "-root-uid", "0", "-root-gid", "0"])
}

fn erofs(tools: &ToolRoot, out: &Place, epoch: u64) -> Command {
    tools
        .command(Program::MkfsErofs)
        .args(["--quiet", "--tar=f"])
        .args(EROFS_COMPRESSION)
        .args([format!("-U{}", Identity::erofs()), format!("-T{epoch}"), "--mkfs-time".into()])
        .arg(out.inside())
}

/// SOURCE_DATE_EPOCH replaces times that are later. mksquashfs takes the clock for the root
/// directory, so a clock that is behind would get into the layer.
pub(crate) fn check_clock(epoch: u64) -> Result<()> {
    match SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(epoch)) {
        Some(time) if time <= SystemTime::now() => Ok(()),
        _ => Err(Error::Clock { epoch }),
    }
}

/// What the program says without failing: attributes that the filesystem cannot hold.
fn warn(format: LayerFormat, stderr: &[u8]) {
    let text = String::from_utf8_lossy(stderr);
    for line in text.lines().filter(|line| !line.starts_with("Empty tar filename")) {
        progress::warning(format!("{}: {line}", format.name()));
    }
}
