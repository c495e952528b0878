//! What a hostile package can try, and that nothing comes of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::build::{Deb, header};
use tar::EntryType;
use unpack::{Cause, Error, Options, Owners, Package, Tree};

const OPTIONS: Options = Options { owners: Owners::Ignore, usr_merge: true };

/// A tree beside a file that nobody may touch.
struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("tree")).unwrap();
        fs::write(directory.path().join("outside"), "untouched").unwrap();
        Self { directory }
    }

    fn tree(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    fn unpack(&self, debs: &[Deb]) -> Result<Vec<Package>, Error> {
        self.unpack_with(debs, 2)
    }

    fn unpack_with(&self, debs: &[Deb], threads: usize) -> Result<Vec<Package>, Error> {
        let files: Vec<PathBuf> = debs
            .iter()
            .enumerate()
            .map(|(number, deb)| deb.write(self.directory.path(), &format!("{number}.deb")))
            .collect();
        let tree = Tree::open(&self.tree(), &OPTIONS).unwrap();
        unpack::packages(&files, &tree, &OPTIONS, threads, &unpack::Relations::NONE)
    }

    /// Unpacks what must be refused, and checks that nothing outside has changed.
    fn refuse(&self, debs: &[Deb]) -> Cause {
        let error = self.unpack(debs).expect_err("this must not be unpacked");
        let outside = fs::read_to_string(self.directory.path().join("outside")).unwrap();
        assert_eq!(outside, "untouched");
        let names: Vec<_> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".deb"))
            .collect();
        assert_eq!(names.len(), 2, "something was made outside of the tree: {names:?}");
        *error.cause
    }
}

fn refuse(deb: Deb) -> Cause {
    Bench::new().refuse(&[deb])
}

#[test]
fn an_absolute_path_is_refused() {
    let cause = refuse(Deb::new("evil").file("/etc/passwd", "x"));
    assert!(matches!(cause, Cause::Leaves(path) if path == "/etc/passwd"));
}

#[test]
fn a_path_with_dots_is_refused() {
    for path in ["../outside", "./usr/../../outside", "usr/..", "./bin/../../outside"] {
        let cause = refuse(Deb::new("evil").file(path, "x"));
        assert!(matches!(cause, Cause::Leaves(_)), "{path}: {cause}");
    }
}

#[test]
fn a_file_through_a_link_to_the_root_is_refused() {
    for target in ["/", "..", "../..", "."] {
        let deb = Deb::new("evil").symlink("./door", target).file("./door/outside", "x");
        let cause = refuse(deb);
        assert!(matches!(&cause, Cause::BehindLink { link, .. } if link == "/door"), "{cause}");
    }
}

#[test]
fn a_link_laid_by_another_package_is_not_followed_either() {
    for order in [[0, 1], [1, 0]] {
        let debs = [
            Deb::new("door").symlink("./usr/door", "../.."),
            Deb::new("guest").file("./usr/door/outside", "x"),
        ];
        let bench = Bench::new();
        let debs = order.map(|index| debs[index].clone());
        let cause = bench.refuse(&debs);
        assert!(matches!(cause, Cause::BehindLink { .. } | Cause::Exists { .. }), "{cause}");
    }
}

#[test]
fn a_link_in_place_of_a_merged_directory_is_refused() {
    let cause = refuse(Deb::new("evil").symlink("./lib64", "/").file("./lib64/outside", "x"));
    assert!(matches!(cause, Cause::Exists { .. }), "{cause}");
}

#[test]
fn a_file_through_a_link_as_last_name_replaces_nothing() {
    let target = Deb::new("evil").symlink("./door", "../outside").file("./door", "x");
    assert!(matches!(refuse(target), Cause::Exists { .. }));
}

#[test]
fn a_hard_link_joins_files_of_one_package_only() {
    let bench = Bench::new();
    for target in ["../outside", "/etc/passwd", "./usr/missing", "./etc/a"] {
        let debs = [
            Deb::new("other").file("./etc/a", "a"),
            Deb::new("evil").directory("./usr", 0o755).hard_link("./usr/link", target),
        ];
        let cause = bench.refuse(&debs);
        assert!(matches!(cause, Cause::HardLink { .. } | Cause::Leaves(_)), "{target}: {cause}");
        fs::remove_file(bench.tree().join("etc/a")).unwrap_or_default();
    }
    let cause = refuse(Deb::new("evil").symlink("./s", "../outside").hard_link("./h", "./s"));
    assert!(matches!(cause, Cause::HardLink { .. }), "a link to a symbolic link: {cause}");
}

#[test]
fn device_nodes_fifos_and_sparse_files_are_refused() {
    let kinds = [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::new(b'Z')];
    for kind in kinds {
        let cause = refuse(Deb::new("evil").of_kind("./dev/null", kind));
        assert!(matches!(cause, Cause::Special { .. }), "{kind:?}: {cause}");
    }
}

#[test]
fn impossible_sizes_and_names_are_refused() {
    let huge = header(EntryType::Regular, "./huge", "", u64::MAX / 2);
    let cause = refuse(Deb::new("evil").raw(huge, b""));
    assert!(matches!(cause, Cause::TooLarge { .. }), "{cause}");
    let cut = header(EntryType::Regular, "./cut", "", 1 << 20);
    let cause = refuse(Deb::new("evil").raw(cut, b"little"));
    assert!(matches!(cause, Cause::Io(_)), "{cause}");
    let cause = refuse(Deb::new("evil").file("./a\nb", "x"));
    assert!(matches!(cause, Cause::Name(_)), "a new line would forge dpkg's list: {cause}");
}

#[test]
fn a_control_archive_cannot_name_paths() {
    for name in ["../../outside", "/etc/cron.d/evil", "a/b", ".hidden"] {
        let cause = refuse(Deb::new("evil").control(name, "x"));
        assert!(matches!(cause, Cause::ControlMember(_)), "{name}: {cause}");
    }
}

#[test]
fn a_name_that_a_path_or_a_shell_would_read_is_refused() {
    for name in ["../../../outside", "/outside", "a/b", "x; touch outside", "$(id)", "a'b", "."] {
        let cause = refuse(Deb::new(name));
        let value = matches!(&cause, Cause::ControlValue { value, .. } if value == name);
        assert!(value, "{name}: {cause}");
    }
    for (field, value) in [("Version", "1/../../x"), ("Architecture", "../x")] {
        let control = Deb::new("evil").instead_of(field, value);
        let cause = refuse(control);
        let named = matches!(&cause, Cause::ControlValue { field: found, .. } if *found == field);
        assert!(named, "{field}: {cause}");
    }
}

#[test]
fn two_packages_with_one_path_are_an_error_that_names_both() {
    for (order, threads) in [([0, 1], 1), ([1, 0], 1), ([0, 1], 2)] {
        let debs = [Deb::new("one").file("./bin/x", "1"), Deb::new("two").file("./usr/bin/x", "2")];
        let debs = order.map(|index| debs[index].clone());
        let error = Bench::new().unpack_with(&debs, threads).unwrap_err();
        let text = format!("{error}: {}", error.cause);
        assert!(text.contains("one 1.0") && text.contains("two 1.0"), "{text}");
        assert!(text.contains("/usr/bin/x"), "{text}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_set_id_bit_is_not_given_to_who_unpacks() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.unpack(&[Deb::new("su").owned_file("./bin/su", "x", 0, 0, 0o4755)]).unwrap();
    let mode = Path::new(&bench.tree()).join("usr/bin/su").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}
