//! Asking one place, and what is thought of its answer.

use std::fs::{self, File};
use std::io;

use crate::client::{Reply, Trouble, is_silence, silent};
use crate::refusal::Reason;
use crate::source::{Kind, Location, Place};
use crate::store::Store;

impl Store {
    /// Opens what lies at a place, from byte `offset` on.
    pub(crate) fn ask(&self, place: &Place, offset: u64) -> std::result::Result<Reply, Trouble> {
        match &place.location {
            Location::Url(url) => self.client().get(url, offset),
            Location::File(path) => {
                // A folder of another machine may hold a pipe or a device under this name.
                let unreadable = |error: io::Error| match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                        Trouble::Refused(Reason::Absent)
                    }
                    _ => Trouble::Refused(Reason::Interrupted(error.to_string())),
                };
                let metadata = fs::metadata(path).map_err(unreadable)?;
                if !metadata.is_file() {
                    return Err(Trouble::Refused(Reason::Absent));
                }
                let file = File::open(path).map_err(unreadable)?;
                Ok(Reply { start: 0, length: Some(metadata.len()), body: Box::new(file) })
            }
        }
    }

    /// Says and remembers what a source did wrong; false when it did nothing wrong.
    pub(crate) fn judge(&self, name: &str, place: &Place, reason: &Reason) -> bool {
        let source = &place.source;
        if !reason.is_fault() || place.kind == Kind::Moving && is_about_bytes(reason) {
            progress::detail("Passed over", format!("{name}: {source} {reason}"));
            return false;
        }
        // A vault is asked for every file, whatever became of some. So is the last resort, unless
        // there is no way to it.
        let out = match (place.kind, reason) {
            (Kind::Vault, _) => false,
            (Kind::Dated, Reason::Unreachable(_)) | (Kind::Mirror | Kind::Moving, _) => {
                self.standing.note(source, reason)
            }
            (Kind::Dated, _) => false,
        };
        if let Reason::Unreachable(_) = reason {
            if out {
                progress::warning(format!("{source} {reason}; going on without it"));
            }
        } else {
            let rest = if out { "; it is not asked any more" } else { "" };
            progress::warning(format!("{name}: {source} {reason}; asking the next source{rest}"));
        }
        true
    }

    /// What an error while reading means.
    pub(crate) fn explain(&self, error: &io::Error) -> String {
        if is_silence(error) { silent(self.options.patience) } else { error.to_string() }
    }
}

/// Where a path's content changes with every update, these say only that it has changed.
fn is_about_bytes(reason: &Reason) -> bool {
    matches!(reason, Reason::Altered { .. } | Reason::Oversized { .. } | Reason::Truncated { .. })
}
