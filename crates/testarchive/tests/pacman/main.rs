//! Real programs read what is generated: pacman, bsdtar and gpg of the tool root.

// Tells clippy that unwrapping is fine in all of this.
#![cfg(test)]

mod bench;
mod files;
mod signatures;

use libtest_mimic::{Arguments, Failed};

type Outcome = Result<(), Failed>;

fn main() {
    sandbox::serve(&[]);
    let trials = files::all().into_iter().chain(signatures::all()).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
