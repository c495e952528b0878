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
        self.begun(&State::new(path, at))
    }

    fn begun(&self, state: &State) -> Result<(Ends, bool)> {
        let roots = Roots::open(&self.image, &self.state).unwrap();
        roots.ends(state, &Log::nowhere(), &mut Watchdog::asleep())
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
fn a_new_directory_begins_as_the_image_has_it() {
    let tree = Tree::new();
    let mail = tree.image.join("var/mail");
    fs::set_permissions(&mail, fs::Permissions::from_mode(0o2775)).unwrap();
    fs::create_dir(mail.join("sub")).unwrap();
    fs::write(mail.join("sub/root"), "a mail of the image").unwrap();
    let (_, made) = tree.ends("/var/mail", "a/mail").unwrap();
    assert!(made);
    let state = tree.state.join("a/mail");
    assert_eq!(mode(&state), 0o2775);
    assert_eq!(fs::read_to_string(state.join("sub/root")).unwrap(), "a mail of the image");
    assert_eq!(fs::read_dir(tree.state.join("a")).unwrap().count(), 1, "nothing else is left");
    // Nothing is copied a second time.
    fs::remove_file(state.join("sub/root")).unwrap();
    assert!(!tree.ends("/var/mail", "a/mail").unwrap().1);
    assert!(!state.join("sub/root").exists());
}

#[test]
fn what_lies_behind_a_symlink_of_the_image_is_what_state_begins_with() {
    let tree = Tree::new();
    fs::write(tree.image.join("var/mail/root"), "a mail").unwrap();
    symlink("/var", tree.image.join("data")).unwrap();
    tree.ends("/data/mail", "mail").unwrap();
    assert_eq!(fs::read_to_string(tree.state.join("mail/root")).unwrap(), "a mail");
}

#[test]
fn without_a_seed_a_directory_has_the_mode_of_the_image_and_is_empty() {
    let tree = Tree::new();
    let mail = tree.image.join("var/mail");
    fs::set_permissions(&mail, fs::Permissions::from_mode(0o2775)).unwrap();
    fs::write(mail.join("root"), "a mail of the image").unwrap();
    let (_, made) = tree.begun(&State { seed: false, ..State::new("/var/mail", "mail") }).unwrap();
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
fn what_an_interrupted_boot_left_is_begun_anew() {
    let tree = Tree::new();
    fs::write(tree.image.join("etc/machine-id"), "whole").unwrap();
    fs::create_dir_all(tree.state.join(".new-mail/half")).unwrap();
    fs::write(tree.state.join(".new-mail/half/a copy"), "of a mail").unwrap();
    fs::write(tree.state.join(".new-id"), "ha").unwrap();
    tree.ends("/var/mail", "mail").unwrap();
    assert_eq!(fs::read_dir(tree.state.join("mail")).unwrap().count(), 0);
    tree.ends("/etc/machine-id", "id").unwrap();
    assert_eq!(fs::read_to_string(tree.state.join("id")).unwrap(), "whole");
    assert_eq!(fs::read_dir(&tree.state).unwrap().count(), 2);
}

#[test]
fn unfinished_copies_of_what_is_no_longer_made_are_cleared() {
    let tree = Tree::new();
    for left in [".new-old/half", "web/.new-html/half", "mail/.new-draft"] {
        fs::create_dir_all(tree.state.join(left)).unwrap();
    }
    fs::write(tree.state.join(".new-id"), "ha").unwrap();
    let state = [State::new("/srv/cgi", "web/cgi"), State::new("/var/mail", "mail")];
    Roots::open(&tree.image, &tree.state).unwrap().clear_unfinished(&state).unwrap();
    for left in [".new-old", "web/.new-html", ".new-id"] {
        assert!(!tree.state.join(left).exists(), "{left}");
    }
    assert!(tree.state.join("mail/.new-draft").exists(), "the server's own");
}

#[test]
fn a_copy_that_has_no_room_says_how_much_it_needs() {
    let state = State::new("/var/mail", "mail");
    assert!(enough(&state, 5_000_000, 5_000_000).is_ok());
    let error = enough(&state, 812_345_678, 5_000_000).unwrap_err().to_string();
    assert_eq!(
        error,
        "state /var/mail: it begins with 812.3 MB of the image, the data filesystem has room for \
         5.0 MB"
    );
}

/// Paths that the kernel takes in the image and no longer in the copy, whose name is longer.
#[test]
fn a_copy_that_fails_half_way_leaves_nothing() {
    let tree = Tree::new();
    let mail = tree.image.join("var/mail");
    fs::write(mail.join("root"), "a mail").unwrap();
    let mut directory = OwnedFd::from(fs::File::open(&mail).unwrap());
    let longest = "d".repeat(255);
    for length in std::iter::repeat_n(255, 15).chain([200]) {
        mkdirat(&directory, &longest[..length], Mode::from_raw_mode(0o755)).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        directory =
            rustix::fs::openat(&directory, &longest[..length], flags, Mode::empty()).unwrap();
    }
    let error = tree.ends("/var/mail", &"m".repeat(200)).err().unwrap().to_string();
    assert!(error.starts_with("state /var/mail: what the image has there cannot be"), "{error}");
    assert_eq!(fs::read_dir(&tree.state).unwrap().count(), 0);
}

#[test]
fn options_lift_what_the_data_filesystem_is_mounted_with() {
    let denied = MountFlags::NOSUID | MountFlags::NODEV;
    assert_eq!(flags(&[]), denied);
    assert_eq!(flags(&[StateOption::Exec]), denied);
    assert_eq!(flags(&[StateOption::Dev]), MountFlags::NOSUID);
    assert_eq!(flags(&[StateOption::Suid]), MountFlags::NODEV);
    assert_eq!(flags(&[StateOption::Dev, StateOption::Suid]), MountFlags::empty());
}
