//! Which ids a system gets, from lock, packages and definition.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rootfs::Error;
use rootfs::accounts::Accounts;
use rootfs::ids::{Ids, complete};

use crate::accounts::user;

fn ids(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
    pairs.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect()
}

fn lock(users: &[(&str, u32)]) -> Ids {
    Ids { users: ids(users), groups: BTreeMap::new() }
}

fn tree(users: &BTreeMap<String, u32>) -> Accounts {
    let line = |(name, id): (&String, &u32)| format!("{name}:x:{id}:0::/:/bin/false\n");
    Accounts { passwd: users.iter().map(line).collect(), ..Accounts::default() }
}

#[test]
fn recorded_ids_win_and_new_names_get_out_of_their_way() {
    let tree = tree(&ids(&[("root", 0), ("postfix", 100), ("dovecot", 101), ("new", 102)]));
    let done = complete(&lock(&[("postfix", 101), ("dovecot", 102)]), &tree, &[], &[]).unwrap();
    assert_eq!(done.ids.users, ids(&[("postfix", 101), ("dovecot", 102), ("new", 100)]));
    assert_eq!(done.new.users, ids(&[("new", 100)]));
    assert_eq!([100, 101, 102, 0].map(|id| done.renumbering.user(id)), [101, 102, 100, 0]);
}

#[test]
fn a_first_build_records_the_ids_of_the_packages() {
    let tree = tree(&ids(&[("root", 0), ("postfix", 100), ("nobody", 65_534)]));
    let done = complete(&Ids::default(), &tree, &[], &[]).unwrap();
    assert_eq!(done.ids.users, ids(&[("postfix", 100)]), "the distribution's are not recorded");
    assert!(done.renumbering.is_identity());
}

#[test]
fn the_id_of_a_user_that_is_gone_stays_taken() {
    let tree = tree(&ids(&[("new", 100)]));
    let done = complete(&lock(&[("gone", 100)]), &tree, &[], &[]).unwrap();
    assert_eq!(done.ids.users, ids(&[("gone", 100), ("new", 101)]));
}

#[test]
fn declared_users_have_ids_of_the_lock_or_free_ones() {
    let tree = tree(&ids(&[("postfix", 100)]));
    let users = [user("vmail", true), user("alice", false), user("old", true)];
    let done = complete(&lock(&[("old", 500)]), &tree, &users, &[]).unwrap();
    assert_eq!(
        done.all.users,
        ids(&[("postfix", 100), ("vmail", 101), ("alice", 1000), ("old", 500)])
    );
    assert_eq!(done.all.groups, ids(&[("old", 100), ("vmail", 101), ("alice", 1000)]));
}

#[test]
fn names_that_share_an_id_in_the_packages_share_it_in_the_lock() {
    let tree = tree(&ids(&[("a", 100), ("alias", 100)]));
    let first = complete(&Ids::default(), &tree, &[], &[]).unwrap();
    assert_eq!(first.ids.users, ids(&[("a", 100), ("alias", 100)]));
    assert_eq!(complete(&first.ids, &tree, &[], &[]).unwrap().ids, first.ids);
}

#[test]
fn ids_that_cannot_be_true_are_errors() {
    let error = |lock: &Ids, tree: &Accounts| complete(lock, tree, &[], &[]).unwrap_err();
    let shared = error(&lock(&[("a", 200), ("b", 200)]), &tree(&ids(&[("a", 100), ("b", 101)])));
    assert!(matches!(shared, Error::SharedId { id: 200, .. }), "{shared}");
    assert!(shared.hint().is_some());
    // Nor may two that only the definition has, or that are gone; or one and the distribution's.
    let declared = complete(
        &lock(&[("a", 200), ("b", 200)]),
        &Accounts::default(),
        &[user("a", true), user("b", true)],
        &[],
    );
    let declared = declared.unwrap_err();
    assert!(matches!(declared, Error::SharedId { id: 200, .. }), "{declared}");
    let taken = error(&lock(&[("git", 1001)]), &tree(&ids(&[("games", 1001)])));
    assert!(matches!(taken, Error::SharedId { id: 1001, .. }), "{taken}");
    let fixed = error(&lock(&[("mail", 200)]), &tree(&ids(&[("mail", 8)])));
    assert!(matches!(fixed, Error::Ids { recorded: 200, found: 8, .. }), "{fixed}");
    let full: BTreeMap<String, u32> = (100..1000).map(|id| (format!("u{id}"), id)).collect();
    let full = Ids { users: full, ..Ids::default() };
    let none = error(&full, &tree(&ids(&[("new", 100)])));
    assert!(matches!(none, Error::NoFreeId { .. }), "{none}");
}

proptest! {
    #[test]
    fn no_two_users_share_an_id_and_a_second_build_changes_nothing(
        natural in prop::collection::btree_map("[a-z]{1,3}", 0..300_u32, 0..30),
        recorded in prop::collection::btree_map("[a-z]{1,3}", 100..300_u32, 0..30),
        declared in prop::collection::btree_set("[a-z]{1,3}", 0..6),
    ) {
        // One name an id, in the tree and in the lock.
        let unique = |ids: BTreeMap<String, u32>| -> BTreeMap<String, u32> {
            let by_id: BTreeMap<u32, String> = ids.into_iter().map(|(n, id)| (id, n)).collect();
            by_id.into_iter().map(|(id, name)| (name, id)).collect()
        };
        let natural = unique(natural);
        let mut recorded = unique(recorded);
        recorded.retain(|name, _| natural.get(name).is_none_or(|id| *id >= 100));
        let accounts = tree(&natural);
        let users: Vec<_> = declared.iter().map(|name| user(name, true)).collect();
        let lock = Ids { users: recorded.clone(), groups: BTreeMap::new() };
        let done = complete(&lock, &accounts, &users, &[]).unwrap();

        let used: BTreeSet<u32> = done.all.users.values().copied().collect();
        prop_assert_eq!(used.len(), done.all.users.len());
        let kept: BTreeSet<u32> = done.ids.users.values().copied().collect();
        prop_assert_eq!(kept.len(), done.ids.users.len());
        for (name, id) in &recorded {
            prop_assert_eq!(done.ids.users[name], *id);
        }
        for (name, id) in &natural {
            prop_assert_eq!(done.renumbering.user(*id), done.all.users[name]);
        }
        let again = complete(&done.ids, &accounts, &users, &[]).unwrap();
        prop_assert_eq!(&again.ids, &done.ids);
        prop_assert_eq!(&again.renumbering, &done.renumbering);
        prop_assert_eq!(again.new, Ids::default());
    }
}
