//! Cut off and altered packages are errors or packages, never panics, and never leave the tree.

use std::fs;

use crate::build::Deb;
use proptest::prelude::*;
use unpack::{Options, Owners, Tree};

fn honest(ending: &'static str) -> Vec<u8> {
    Deb::new("hello")
        .control("md5sums", "")
        .directory("./", 0o755)
        .directory("./usr/bin/", 0o755)
        .file("./usr/bin/hello", &"hello ".repeat(300))
        .hard_link("./usr/bin/hello2", "./usr/bin/hello")
        .pax(&[("SCHILY.xattr.user.x", "y"), ("path", "./usr/long")])
        .file("./usr/short", "x")
        .symlink("./usr/link", "../..")
        .compressed(ending)
        .bytes()
}

/// Whether it was unpacked.
fn try_unpack(bytes: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let file = directory.path().join("package.deb");
    fs::write(&file, bytes).unwrap();
    let options = Options { owners: Owners::Ignore, usr_merge: true };
    let open = Tree::open(&tree, &options).unwrap();
    let unpacked = unpack::packages(&[file], &open, &options, 1, &unpack::Relations::NONE).is_ok();
    let beside = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(beside, 2, "something was made outside of the tree");
    unpacked
}

const ENDINGS: [&str; 4] = ["", ".gz", ".xz", ".zst"];

#[test]
fn a_package_that_is_cut_off_anywhere_is_refused() {
    for ending in ENDINGS {
        let bytes = honest(ending);
        assert!(try_unpack(&bytes));
        // One byte of padding may be missing at the end.
        for length in (0..bytes.len() - 1).step_by(7) {
            assert!(!try_unpack(&bytes[..length]), "{ending}: {length} of {}", bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn altered_packages_do_no_harm(
        ending in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = honest(ENDINGS[ending]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        try_unpack(&bytes);
    }

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(!try_unpack(&noise));
        prop_assert!(!try_unpack(&[b"!<arch>\n".to_vec(), noise].concat()));
    }
}
