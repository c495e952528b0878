//! A directory plays the image, another the data partition. Binding needs privileges and is
//! tried in the machine; here it is which ends are found or made.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

struct Tree {
    _temporary: tempfile::TempDir,
    image: PathBuf,
    state: PathBuf,
}

impl Tree {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let (image, state) = (temporary.path().join("image"), temporary.path().join("state"));
        fs::create_dir_all(image.join("var/mail")).unwrap();
        fs::create_dir_all(image.join("etc")).unwrap();
        fs::create_dir(&state).unwrap();
        Self { _temporary: temporary, image, state }
    }

    fn ends(&self, path: &str, at: &str) -> Result<(Ends, bool)> {
        let state = State { path: path.into(), at: at.into() };
        Roots::open(&self.image, &self.state).unwrap().ends(&state)
    }

    /// What the found ends are, as inodes.
    fn found(&self, path: &str, at: &str) -> (u64, u64) {
        let (ends, _) = self.ends(path, at).unwrap();
        (fstat(&ends.entry).unwrap().st_ino, fstat(&ends.path).unwrap().st_ino)
    }

    fn inodes(&self, at: &str, path: &str) -> (u64, u64) {
        let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
        (inode(self.state.join(at)), inode(self.image.join(path)))
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_new_directory_has_the_mode_of_the_image_and_is_empty() {
    let tree = Tree::new();
    let mail = tree.image.join("var/mail");
    fs::set_permissions(&mail, fs::Permissions::from_mode(0o2775)).unwrap();
    fs::write(mail.join("root"), "a mail of the image").unwrap();
    let (_, made) = tree.ends("/var/mail", "mail").unwrap();
    assert!(made);
    assert_eq!(mode(&tree.state.join("mail")), 0o2775);
    assert_eq!(fs::read_dir(tree.state.join("mail")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&tree.state).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_new_file_is_a_copy() {
    let tree = Tree::new();
    let id = tree.image.join("etc/machine-id");
    fs::write(&id, "uninitialized\n").unwrap();
    fs::set_permissions(&id, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(tree.ends("/etc/machine-id", "system/machine-id").unwrap().1);
    let made = tree.state.join("system/machine-id");
    assert_eq!(fs::read_to_string(&made).unwrap(), "uninitialized\n");
    assert_eq!((mode(&made), mode(&tree.state.join("system"))), (0o444, 0o755));
}

#[test]
fn what_is_there_is_used_as_it_is() {
    let tree = Tree::new();
    let mail = tree.state.join("mail");
    fs::create_dir(&mail).unwrap();
    fs::set_permissions(&mail, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(mail.join("root"), "yesterday's").unwrap();
    assert!(!tree.ends("/var/mail", "mail").unwrap().1);
    assert_eq!(mode(&mail), 0o700);
    assert_eq!(fs::read_to_string(mail.join("root")).unwrap(), "yesterday's");
}

#[test]
fn symlinks_of_the_image_are_followed_inside_the_image() {
    let tree = Tree::new();
    fs::create_dir(tree.image.join("var/spool")).unwrap();
    symlink("../mail", tree.image.join("var/spool/mail")).unwrap();
    symlink("/var/mail", tree.image.join("mail")).unwrap();
    symlink("../../../../../../var/mail", tree.image.join("out")).unwrap();
    for path in ["/var/spool/mail", "/mail", "/out"] {
        assert_eq!(tree.found(path, "mail"), tree.inodes("mail", "var/mail"), "{path}");
        let (ends, _) = tree.ends(path, "mail").unwrap();
        let roots = Roots::open(&tree.image, &tree.state).unwrap();
        assert_eq!(roots.place(&ends.path).unwrap(), "/var/mail");
    }
}

#[test]
fn an_entry_that_is_or_lies_behind_a_symlink_is_refused() {
    let tree = Tree::new();
    symlink("/etc", tree.state.join("mail")).unwrap();
    symlink("..", tree.state.join("up")).unwrap();
    for at in ["mail", "up/image", "up/new/mail"] {
        let error = tree.ends("/var/mail", at).err().unwrap().to_string();
        assert!(error.contains("symlink") || error.contains("up"), "{at}: {error}");
    }
    assert!(!tree.image.parent().unwrap().join("new").exists());
}

#[test]
fn a_path_that_the_image_lacks_or_that_changed_its_kind_is_named() {
    let tree = Tree::new();
    fs::write(tree.image.join("etc/machine-id"), "").unwrap();
    fs::create_dir(tree.state.join("id")).unwrap();
    for (path, at, why) in [
        ("/var/lib/missing", "x", "nothing at this path"),
        ("/etc/machine-id", "id", "the image has a file there"),
    ] {
        let error = tree.ends(path, at).err().unwrap().to_string();
        assert!(error.contains(path) && error.contains(why), "{error}");
    }
}

#[test]
fn what_an_interrupted_boot_left_is_taken_up() {
    let tree = Tree::new();
    fs::write(tree.image.join("etc/machine-id"), "whole").unwrap();
    fs::create_dir(tree.state.join(".new-mail")).unwrap();
    fs::write(tree.state.join(".new-id"), "ha").unwrap();
    tree.ends("/var/mail", "mail").unwrap();
    tree.ends("/etc/machine-id", "id").unwrap();
    assert_eq!(fs::read_to_string(tree.state.join("id")).unwrap(), "whole");
    assert_eq!(fs::read_dir(&tree.state).unwrap().count(), 2);
}
