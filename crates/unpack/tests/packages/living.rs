//! Packages that are laid when scripts have run in a tree: as dpkg does it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::build::Deb;
use unpack::{Cause, Control, Error, Options, Override, Owners, Package, Relations, Rules, Tree};

const OPTIONS: Options = Options { owners: Owners::Ignore, usr_merge: true };

/// A tree with packages in it.
struct Living {
    directory: tempfile::TempDir,
    packages: Vec<Package>,
}

impl Living {
    fn new(debs: &[Deb]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("tree")).unwrap();
        let mut living = Self { directory, packages: vec![] };
        let files = living.write("first", debs);
        let tree = Tree::open(&living.path(""), &OPTIONS).unwrap();
        living.packages =
            unpack::packages(&files, &tree, &OPTIONS, 2, &unpack::Relations::NONE).unwrap();
        living
    }

    fn write(&self, when: &str, debs: &[Deb]) -> Vec<PathBuf> {
        let name = |number: usize| format!("{when}-{number}.deb");
        let debs = debs.iter().enumerate();
        debs.map(|(number, deb)| deb.write(self.directory.path(), &name(number))).collect()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("tree").join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| error.to_string())
    }

    fn add(&mut self, debs: &[Deb], rules: &Rules) -> Result<(), Error> {
        self.add_with(debs, rules, |_, _| false)
    }

    fn add_with(
        &mut self,
        debs: &[Deb],
        rules: &Rules,
        replaces: impl Fn(&Control, &Control) -> bool,
    ) -> Result<(), Error> {
        let files = self.write("more", debs);
        let tree = Tree::open(&self.path(""), &OPTIONS).unwrap();
        let relations = Relations { replaces: &replaces, ..Relations::NONE };
        unpack::more_packages(&files, &mut self.packages, &tree, &OPTIONS, 2, rules, &relations)
    }

    fn listed(&self, package: usize) -> Vec<String> {
        let members = self.packages[package].members.iter();
        members.map(|laid| String::from_utf8(laid.listed.clone()).unwrap()).collect()
    }
}

fn rules(diversions: &str) -> Rules {
    Rules::new(diversions, HashMap::new(), "var/lib/dpkg").unwrap()
}

#[test]
fn what_is_diverted_is_laid_elsewhere_and_no_conflict() {
    let mut living = Living::new(&[Deb::new("old").file("./bin/x", "old")]);
    fs::rename(living.path("usr/bin/x"), living.path("usr/bin/x.old")).unwrap();
    let rules = rules("/bin/x\n/bin/x.old\nnew\n/bin/y\n/bin/y.old\nnew\n");
    let new = Deb::new("new").file("./bin/x", "new").file("./bin/y", "new");
    let other = Deb::new("other").file("./bin/y", "other").hard_link("./bin/z", "./bin/y");
    living.add(&[new, other], &rules).unwrap();
    let texts = ["x", "x.old", "y", "y.old", "z"].map(|it| living.text(&format!("usr/bin/{it}")));
    assert_eq!(texts, ["new", "old", "new", "other", "other"]);
    assert_eq!(living.listed(0), ["/bin/x"], "lists keep the name that was diverted");
    assert_eq!(living.packages[0].members[0].place, Path::new("usr/bin/x.old"));
}

#[test]
fn a_conflict_that_nothing_diverts_names_both() {
    let mut living = Living::new(&[Deb::new("old").file("./bin/x", "old")]);
    let error = living.add(&[Deb::new("new").file("./bin/x", "new")], &rules("")).unwrap_err();
    assert_eq!(error.package, "new 1.0");
    assert!(matches!(&*error.cause, Cause::Conflict { other, .. } if other == "old 1.0"));
}

#[test]
fn who_replaces_takes_a_file_from_an_earlier_package() {
    let mut living = Living::new(&[Deb::new("old").file("./x", "old").file("./y", "old")]);
    let new = Deb::new("new").file("./x", "new");
    let replaces = |one: &Control, _: &Control| one.package() == "new";
    living.add_with(&[new], &rules(""), replaces).unwrap();
    assert_eq!((living.text("x"), living.text("y")), ("new".to_owned(), "old".to_owned()));
    assert_eq!(living.listed(0), ["/y"]);
}

#[test]
fn what_is_nobodys_is_overwritten_and_a_conffile_is_laid_beside() {
    let mut living = Living::new(&[]);
    fs::create_dir(living.path("etc")).unwrap();
    fs::set_permissions(living.path("etc"), fs::Permissions::from_mode(0o711)).unwrap();
    for path in ["etc/x", "etc/conf"] {
        fs::write(living.path(path), "a script's").unwrap();
    }
    let new = Deb::new("new")
        .control("conffiles", "/etc/conf\n/etc/fresh\n")
        .directory("./etc/", 0o755)
        .directory("./new/", 0o750)
        .file("./etc/x", "new")
        .file("./etc/conf", "new")
        .file("./etc/fresh", "new");
    living.add(&[new], &rules("")).unwrap();
    let texts = ["x", "conf", "conf.dpkg-new", "fresh"].map(|it| living.text(&format!("etc/{it}")));
    assert_eq!(texts, ["new", "a script's", "new", "new"]);
    let mode = |path: &str| living.path(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("etc"), mode("new")), (0o711, 0o750), "a directory that is there stays");
}

#[test]
fn an_override_has_the_last_word_on_a_mode() {
    let mut living = Living::new(&[]);
    let stat = Override { uid: 0, gid: 0, mode: 0o640 };
    let rules = Rules::new("", HashMap::from([(b"/x".to_vec(), stat)]), "var/lib/dpkg").unwrap();
    living.add(&[Deb::new("new").owned_file("./x", "new", 0, 0, 0o755)], &rules).unwrap();
    let mode = living.path("x").metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
}

#[test]
fn no_package_comes_where_dpkgs_database_is() {
    let mut living = Living::new(&[]);
    fs::create_dir_all(living.path("var/lib/dpkg")).unwrap();
    fs::write(living.path("var/lib/dpkg/status"), "dpkg's").unwrap();
    for (path, diversions) in
        [("./var/lib/dpkg/status", ""), ("./x", "/x\n/var/lib/dpkg/status\nother\n")]
    {
        let evil = Deb::new("evil").symlink(path, "/elsewhere");
        let error = living.add(&[evil], &rules(diversions)).unwrap_err();
        assert!(matches!(&*error.cause, Cause::Database(_)), "{error:?}");
        assert_eq!(living.text("var/lib/dpkg/status"), "dpkg's");
    }
}

#[test]
fn a_directory_that_is_there_stays_where_a_package_has_a_link() {
    let mut living = Living::new(&[Deb::new("old").file("./usr/share/x/file", "old")]);
    fs::create_dir_all(living.path("var/made")).unwrap();
    std::os::unix::fs::symlink("nowhere", living.path("var/link")).unwrap();
    let new = Deb::new("new")
        .symlink("./usr/share/x", "/etc")
        .symlink("./var/made", "/etc")
        .symlink("./var/link", "made");
    living.add(&[new], &rules("")).unwrap();
    assert!(living.path("usr/share/x").symlink_metadata().unwrap().is_dir());
    assert!(living.path("var/made").symlink_metadata().unwrap().is_dir(), "a script's");
    assert_eq!(fs::read_link(living.path("var/link")).unwrap(), Path::new("made"));
    assert_eq!(living.text("usr/share/x/file"), "old");
    assert_eq!(living.listed(1), ["/usr/share/x", "/var/made", "/var/link"]);
    let through = Deb::new("through").symlink("./usr/share/x", "/etc").file("./usr/share/x/y", "");
    let error = living.add(&[through], &rules("")).unwrap_err();
    assert!(matches!(&*error.cause, Cause::BehindLink { .. }), "{}", error.cause);
}

#[test]
fn a_link_that_scripts_have_made_to_a_directory_stays_where_a_package_has_that_directory() {
    let lock = || Deb::new("new").directory("./var/lock/", 0o700).file("./var/lib/new", "");
    let with_link = |target: &str| {
        let living = Living::new(&[Deb::new("base").directory("./run/lock/", 0o711)]);
        fs::create_dir_all(living.path("var")).unwrap();
        std::os::unix::fs::symlink(target, living.path("var/lock")).unwrap();
        living
    };
    // As base-files does it, and relative.
    for target in ["/run/lock", "../run/lock"] {
        let mut living = with_link(target);
        living.add(&[lock()], &rules("")).unwrap();
        assert_eq!(fs::read_link(living.path("var/lock")).unwrap(), Path::new(target));
        let mode = living.path("run/lock").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o711, "it has the mode of its own package");
        assert!(living.listed(1).contains(&"/var/lock".to_owned()), "{:?}", living.listed(1));
        assert!(living.path("var/lib/new").exists());
    }
    // As it is when scripts made that directory in a /run of their own.
    for target in ["/run/elsewhere", "../run/elsewhere"] {
        let mut living = with_link(target);
        living.add(&[lock()], &rules("")).unwrap();
        assert_eq!(fs::read_link(living.path("var/lock")).unwrap(), Path::new(target));
    }
    // To nothing of the tree, or to no directory; and nothing is laid behind one.
    for target in ["/nowhere", "/../../../../../../../../tmp", "/var/lib/new", "lock"] {
        let mut living = with_link(target);
        let error = living.add(&[lock()], &rules("")).unwrap_err();
        assert!(matches!(*error.cause, Cause::BehindLink { .. }), "{target}: {error}");
    }
    let mut living = with_link("/run/lock");
    let behind = Deb::new("new").file("./var/lock/x", "");
    let error = living.add(&[behind], &rules("")).unwrap_err();
    assert!(matches!(*error.cause, Cause::BehindLink { .. }), "{error}");
    assert!(!living.path("run/lock/x").exists());
}
