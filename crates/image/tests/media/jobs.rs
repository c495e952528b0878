//! Whether this user has the ids that jobs need.

use std::sync::OnceLock;

use sandbox::{Job, JobFailure};
use serde::{Deserialize, Serialize};

/// Does nothing, where that is possible.
#[derive(Serialize, Deserialize)]
pub(crate) struct Nothing;

impl Job for Nothing {
    const NAME: &'static str = "nothing";
    type Output = ();

    fn run(self) -> Result<(), JobFailure> {
        Ok(())
    }
}

/// Whether this user has 65,536 ids.
pub(crate) fn are_possible() -> bool {
    static POSSIBLE: OnceLock<bool> = OnceLock::new();
    *POSSIBLE.get_or_init(|| sandbox::in_namespace(&Nothing).is_ok())
}
