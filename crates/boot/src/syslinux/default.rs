//! The default: one of two small files, of which the later counts.

use super::slot;
use crate::systemd_boot::blank;
use crate::{Partition, Result};

/// In the order in which syslinux reads them.
pub(super) const PATHS: [&str; 2] = ["heirloom/default-a.cfg", "heirloom/default-b.cfg"];

/// Bytes of each: less than a sector, and always the same.
const LENGTH: usize = 128;

/// The file's text. When a kernel cannot be loaded, an armed generation's that is, syslinux starts
/// the default as well.
pub(super) fn text(number: u64) -> String {
    let label = slot::label(number);
    let text = format!("DEFAULT {label}\nONERROR {label}\n");
    let blanks = "\n".repeat(LENGTH.saturating_sub(text.len()));
    text + &blanks
}

/// The default's number.
pub(super) fn read(partition: &dyn Partition) -> Result<Option<u64>> {
    let [a, b] = PATHS;
    match one(partition, b)? {
        Some(number) => Ok(Some(number)),
        None => one(partition, a),
    }
}

/// Changes the default at once.
pub(super) fn set(partition: &mut dyn Partition, number: u64) -> Result<()> {
    if read(partition)? == Some(number) {
        return Ok(());
    }
    let [a, b] = PATHS;
    let text = text(number);
    if one(partition, b)?.is_some() {
        clear(partition, a)?;
        partition.create(a, &mut text.as_bytes())?;
        clear(partition, b)
    } else {
        // Whatever is left of it names no default.
        clear(partition, b)?;
        partition.create(b, &mut text.as_bytes())?;
        clear(partition, a)
    }
}

fn one(partition: &dyn Partition, path: &str) -> Result<Option<u64>> {
    let bytes = partition.read(path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().find_map(|line| slot::number(line.strip_prefix("DEFAULT ")?)))
}

fn clear(partition: &mut dyn Partition, path: &str) -> Result<()> {
    blank(partition, path)?;
    partition.remove(path)
}
