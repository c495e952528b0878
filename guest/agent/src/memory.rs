//! The memory that takes all writes to the root: how much of it is left.

use std::io;
use std::path::Path;

use transfer::report::{Health, Memory};

use crate::machine::MEMORY;
use crate::{Error, Result};

/// With less than one part in so many left, the root is as good as full: services cannot write
/// any more, or soon cannot.
const LEFT: u64 = 50;

/// What is written there, and how much could be.
///
/// # Errors
/// It cannot be asked.
pub fn report() -> Result<Memory> {
    let found = rustix::fs::statvfs(Path::new(MEMORY)).map_err(io::Error::from);
    let found = found.map_err(Error::io("ask", MEMORY))?;
    Ok(Memory {
        size: found.f_blocks.saturating_mul(found.f_frsize),
        free: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

/// A server whose root is full is not healthy. It is not hopeless either: what fills it may go.
pub(crate) fn judge(memory: Option<Memory>, mut health: Health) -> Health {
    if let Some(memory) = memory.filter(is_full) {
        health.healthy = false;
        health.lines.insert(0, full(&memory));
    }
    health
}

/// Whether nothing, or next to nothing, can be written to the root.
pub(crate) fn is_full(memory: &Memory) -> bool {
    memory.size > 0 && memory.free < memory.size / LEFT
}

/// What there is to say then.
pub(crate) fn full(memory: &Memory) -> String {
    format!(
        "the root is full: what is not state is written to memory, {} MB, and {} MB are left; \
         `heirloom audit` lists it",
        memory.size / 1_000_000,
        memory.free / 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health { healthy: true, starting: false, lines: vec!["all is well".into()] }
    }

    #[test]
    fn a_server_whose_root_is_full_is_not_healthy_and_says_where_to_look() {
        let memory = |free| Memory { size: 250_000_000, free };
        let full = judge(Some(memory(0)), health());
        assert!(!full.healthy, "{full:?}");
        assert_eq!(
            full.lines[0],
            "the root is full: what is not state is written to memory, 250 MB, and 0 MB are left; \
             `heirloom audit` lists it"
        );
        assert!(!judge(Some(memory(4_999_999)), health()).healthy);
        assert_eq!(judge(Some(memory(5_000_000)), health()), health());
        // What cannot be asked makes nobody ill.
        assert_eq!(judge(None, health()), health());
        assert_eq!(judge(Some(Memory { size: 0, free: 0 }), health()), health());
    }
}
