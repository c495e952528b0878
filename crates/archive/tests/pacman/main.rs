//! Versions are ordered as pacman orders them, and the resolver's choice is pacman's: both are given
//! the same databases, real ones. pacman comes from the tool root. (vercmp would print what libalpm
//! says of two versions, but Debian's package leaves it out; pacman answers with the same function.)
//! Arch's real keyring judges the real signatures.

// Tells clippy that unwrapping is fine in all of this.
#![cfg(test)]

mod choices;
mod keyring;
mod made_up;
mod pacman;
mod sets;
mod versions;

use libtest_mimic::{Arguments, Trial};

fn main() {
    sandbox::serve(&[]);
    let versions = [
        Trial::test("versions: versions of the databases", || {
            versions::versions_of_the_databases_are_ordered_as_pacman_orders_them()
        }),
        Trial::test("versions: odd versions", || {
            versions::odd_versions_are_ordered_as_pacman_orders_them()
        }),
    ];
    let choices = sets::SETS.iter().map(|(name, packages)| {
        Trial::test(format!("pacman: {name}"), || {
            choices::a_choice_is_what_pacman_installs(packages)
        })
    });
    let refused = sets::IMPOSSIBLE.iter().map(|(name, packages)| {
        Trial::test(format!("pacman: {name}"), || choices::what_pacman_refuses_is_refused(packages))
    });
    let keyring = Trial::test("keyring: who may sign", || {
        keyring::packagers_of_the_real_keyring_may_sign_as_pacman_has_it()
    });
    let single = Trial::test("pacman: every package by itself", || {
        choices::every_package_by_itself_is_installed_as_by_pacman()
    });
    let made_up = Trial::test("pacman: kinds of names and versions", || {
        made_up::kinds_of_names_and_versions_are_chosen_as_by_pacman()
    });
    let all = versions.into_iter().chain(choices).chain(refused).chain([single, keyring, made_up]);
    libtest_mimic::run(&Arguments::from_args(), all.collect()).exit();
}
