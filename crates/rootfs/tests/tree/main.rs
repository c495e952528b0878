//! Small package trees, built more than once.
//!
//! Jobs need 65,536 ids: where this user has none, the tests are listed as ignored.

mod arch;
mod clock;
mod debian;
mod surroundings;

use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use sandbox::JobEntry;

use debian::inspect::{self, Inspect, Nothing};

pub(crate) type Outcome = Result<(), Failed>;

fn main() {
    let jobs = [
        JobEntry::of::<rootfs::debian::Packages>(),
        JobEntry::of::<rootfs::arch::Packages>(),
        JobEntry::of::<Inspect>(),
        JobEntry::of::<Nothing>(),
        JobEntry::of::<arch::Ask>(),
    ];
    sandbox::serve(&jobs);
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == surroundings::BUILD) {
        return match surroundings::build_here(Path::new(&words[2]), &words[3..]) {
            Ok(()) => {}
            Err(message) => {
                eprintln!("{message}");
                std::process::exit(1)
            }
        };
    }
    let arguments = Arguments::from_args();
    let possible = inspect::are_jobs_possible();
    let trials = debian::all().into_iter().chain(arch::all());
    let mut trials: Vec<Trial> = trials.map(|trial| trial.with_ignored_flag(!possible)).collect();
    trials.push(Trial::test("a_day_is_found_in_each_of_its_spellings", clock::spellings));
    libtest_mimic::run(&arguments, trials).exit();
}
