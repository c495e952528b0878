//! Stages: pure functions of their inputs, run once a key.
//!
//! A stage names everything that it reads as [`Inputs`]; their digest is its key. Its result, a
//! folder of plain files, is kept under that key, and a second run with the same key does nothing.
//! Nothing else is cached, so this is the only rule to reason about.
//!
//! ```text
//! target/heirloom/stages/
//!   packages/
//!     5f0c…/             one result
//!       inputs.json      what it was made from
//!       durable          the boot in which it was written, or `synced`
//!       out/             what the stage wrote
//!     5f0c….lock         held while it is made (exclusive) or used (shared)
//!   recent/
//!     packages-mailserver.json   keys last used for that subject: the roots of collection
//! ```

mod cache;
mod durable;
mod error;
mod inputs;
mod inventory;
mod recent;

pub use cache::{Cache, Done, Timing};
pub use error::Error;
pub use inputs::Inputs;
pub use inventory::Held;
