//! For tests: what firmware does with the files of a boot partition, and a partition in memory
//! whose power fails.

mod firmware;
mod memory;

pub use firmware::{Firmware, Started};
pub use memory::Memory;
