//! The disk image as qcow2.

use std::path::Path;

use sandbox::{Program, ToolRoot};

use crate::place::Place;
use crate::{Error, Result};

/// Counts up when the same inputs give other bytes.
pub const VERSION: u32 = 1;

/// Makes `out` of the raw disk image `raw`, with `tools` the root of the group Qemu.
///
/// Nothing is compressed: a disk is mostly layers, which are already.
pub fn build(tools: &ToolRoot, raw: &Path, out: &Path) -> Result<()> {
    let out = Place::create(out)?;
    let command = tools
        .command(Program::QemuImg)
        // One request at a time: else clusters are allocated in the order in which they happen to
        // be read.
        .args(["convert", "-f", "raw", "-O", "qcow2", "-m", "1", "-o", "compat=1.1"])
        .args(["/work/disk.raw", out.inside()])
        .bind_ro(raw, "/work/disk.raw");
    let run = out.show(command).free_sync().run();
    run.map_err(|source| Error::Tool { what: "qcow2 image", source }).map(|_| ())
}
