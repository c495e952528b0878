//! The packages of a whole server: gitserver's, of Debian, made into Arch's.
//!
//! Needs a mirror or the locked packages in the store, and 65,536 ids: where this user has none,
//! the tests are listed as ignored.

// Tells clippy that unwrapping is fine in all of this.
#![cfg(test)]

mod bench;
mod installed;
mod structure;
mod tree;

use libtest_mimic::{Arguments, Failed};
use rootfs::{arch, debian};
use sandbox::JobEntry;

type Outcome = Result<(), Failed>;

fn main() {
    sandbox::serve(&[
        JobEntry::of::<debian::Packages>(),
        JobEntry::of::<arch::Packages>(),
        JobEntry::of::<bench::Nothing>(),
    ]);
    let possible = sandbox::in_namespace(&bench::Nothing).is_ok();
    let trials = structure::all().into_iter().chain(installed::all());
    let trials = trials.map(|trial| trial.with_ignored_flag(!possible)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
