//! Media, made by the real programs and read back by others.
//!
//! An erofs takes 65,536 ids: where this user has none, its tests are listed as ignored.

#![cfg(test)]

mod disk_tests;
mod fixture;
mod format_tests;
mod jobs;
mod layer_tests;
mod surroundings;

use libtest_mimic::{Arguments, Failed};
use sandbox::JobEntry;

pub(crate) type Outcome = Result<(), Failed>;

fn main() {
    sandbox::serve(&[JobEntry::of::<image::Erofs>(), JobEntry::of::<jobs::Nothing>()]);
    if let Some(order) = surroundings::Order::from_environment() {
        return order.build().unwrap();
    }
    let arguments = Arguments::from_args();
    let mut trials = layer_tests::all();
    trials.extend(disk_tests::all());
    trials.extend(format_tests::all());
    trials.extend(surroundings::all());
    libtest_mimic::run(&arguments, trials).exit();
}

/// A failure unless `holds`, with what was found.
pub(crate) fn check(holds: bool, found: impl std::fmt::Display) -> Outcome {
    if holds { Ok(()) } else { Err(found.to_string().into()) }
}
