//! What a power cut may leave on a disk: recorded writes, replayed and judged.
//!
//! Test support. A machine that records (`machine::Machine::record`) leaves a [`Log`] of what its
//! guest wrote and when it flushed. A [`Replay`] gives each [`State`] that a power cut could have
//! left, as a [`Plan`] asks for: what was flushed is there, what was not may be, in any
//! combination. No disk is copied for it; a state that a program has to look at, or a machine to
//! boot, is written to a file ([`State::materialize`]). [`Judge`] says whether a server would
//! start from it, [`Survey`] what came out for all of them. What this shows and what it cannot: docs/explanation/power-cuts.md.
//!
//! ```no_run
//! # fn main() -> Result<(), powercut::Error> {
//! use powercut::{Plan, Replay};
//! use std::path::Path;
//!
//! let plan = Plan { watch: 16 << 20..272 << 20, ..Plan::default() };
//! for state in Replay::open(Path::new("disk.raw"), None, Path::new("log"), plan)?.states() {
//!     let state = state?;
//!     let mut sector = [0; 512];
//!     assert!(state.read_at(0, &mut sector).is_ok(), "{}", state.cut());
//! }
//! # Ok(())
//! # }
//! ```

mod choose;
mod copy;
mod data;
mod error;
mod extents;
mod fat;
mod judge;
mod log;
mod partitions;
mod plan;
mod replay;
mod state;
mod survey;
mod view;

pub use data::DataView;
pub use error::{Error, Result};
pub use fat::{BootView, Listed};
pub use judge::{Choice, Judge, Verdict};
pub use log::{Action, Entries, Entry, Log};
pub use partitions::Partitions;
pub use plan::{Choosing, Cut, Kept, Part, Plan};
pub use replay::{Replay, States};
pub use state::State;
pub use survey::Survey;
