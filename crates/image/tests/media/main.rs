//! Media, made by the real programs and read back by others.

#![cfg(test)]

mod disk_tests;
mod fixture;
mod format_tests;
mod layer_tests;
mod surroundings;

use libtest_mimic::{Arguments, Failed};

pub(crate) type Outcome = Result<(), Failed>;

fn main() {
    sandbox::serve(&[]);
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
