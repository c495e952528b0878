//! Disks that mke2fs has made and debugfs has spoiled, both of the tool root.

#![cfg(test)]

use std::error::Error as StdError;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use digest::Digest;
use libtest_mimic::{Arguments, Failed, Trial};
use rescue::{Error, Filesystem};
use sandbox::{Group, Program, ToolRoot, Tools};
use store::{Options, Store};

type Outcome = Result<(), Box<dyn StdError>>;

fn main() {
    sandbox::serve(&[]);
    let trials = vec![
        Trial::test("state_is_copied_with_modes_times_and_links", || with_tools(copies)),
        Trial::test("a_path_that_is_no_state_brings_those_that_are", || with_tools(no_state)),
        Trial::test("names_that_lead_out_write_nothing_outside", || with_tools(hostile_names)),
        Trial::test("a_size_that_no_disk_has_is_left_out", || with_tools(huge)),
        Trial::test("a_directory_in_itself_ends", || with_tools(cycle)),
        Trial::test("what_is_no_disk_of_ours_is_refused", || with_tools(refused)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn with_tools(test: fn(&Ground) -> Outcome) -> Result<(), Failed> {
    let run = || -> Outcome {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let store = Store::open(Options::from_environment()?)?;
        let tools = Tools::open(workspace, &store)?.root(Group::Image)?;
        let folder = tempfile::tempdir()?;
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("imgs"))?;
        fs::create_dir_all(tree.join("state/mail/alice"))?;
        fs::write(tree.join("imgs/oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}")?;
        fs::write(tree.join("state/mail/alice/letter"), "Subject: hello\n")?;
        let ground = Ground { tools, tree, disk: folder.path().join("disk") };
        test(&ground)
    };
    run().map_err(|error| error.to_string().into())
}

struct Ground {
    tools: ToolRoot,
    /// What becomes the disk.
    tree: PathBuf,
    disk: PathBuf,
}

impl Ground {
    /// Makes the disk of the tree; without checksums, so that it can be spoiled.
    fn make(&self) -> Outcome {
        File::create(&self.disk)?.set_len(16 << 20)?;
        self.tools
            .command(Program::Mke2fs)
            .bind_ro(&self.tree, "/work/tree")
            .bind_rw(&self.disk, "/work/disk")
            .args([
                "-q",
                "-t",
                "ext4",
                "-N",
                "128",
                "-O",
                "^metadata_csum",
                "-d",
                "/work/tree",
                "/work/disk",
            ])
            .run()?;
        Ok(())
    }

    fn debugfs(&self, command: &str) -> Outcome {
        self.tools
            .command(Program::Debugfs)
            .bind_rw(&self.disk, "/work/disk")
            .args(["-w", "-R", command, "/work/disk"])
            .run()?;
        Ok(())
    }

    /// Writes `to` wherever the disk has `from`.
    fn spoil(&self, from: &[u8], to: &[u8]) -> Outcome {
        let mut bytes = fs::read(&self.disk)?;
        let found: Vec<usize> = (0..bytes.len().saturating_sub(from.len()))
            .filter(|at| bytes[*at..].starts_with(from))
            .collect();
        assert!(!found.is_empty(), "the disk has no {from:?}");
        for at in found {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        Ok(fs::write(&self.disk, bytes)?)
    }

    /// Opens it, uses it, and sees that it is as before.
    fn read<T>(&self, using: impl FnOnce(&Filesystem) -> T) -> Result<T, Box<dyn StdError>> {
        let digest = || File::open(&self.disk).and_then(Digest::of_reader);
        let before = digest()?;
        let used = using(&Filesystem::open(&self.disk)?);
        assert_eq!(digest()?, before, "the disk was written to");
        Ok(used)
    }
}

fn copies(ground: &Ground) -> Outcome {
    let state = ground.tree.join("state");
    let letter = state.join("mail/alice/letter");
    fs::set_permissions(&letter, fs::Permissions::from_mode(0o4640))?;
    // mke2fs takes no time that is later than SOURCE_DATE_EPOCH.
    let written = UNIX_EPOCH + Duration::from_secs(200_000_000);
    File::options().write(true).open(&letter)?.set_times(FileTimes::new().set_modified(written))?;
    let holes = File::create(state.join("holes"))?;
    holes.set_len(3 << 20)?;
    symlink("/etc/passwd", state.join("link"))?;
    ground.make()?;
    ground.debugfs("set_inode_field /state/mail/alice/letter uid 1234")?;

    let to = ground.tree.with_file_name("out");
    let copied = ground.read(|disk| rescue::copy(disk, Path::new(""), &to))??;
    assert_eq!((copied.files, copied.symlinks), (2, 1), "{copied:?}");
    assert!(copied.left_out.is_empty(), "{copied:?}");
    assert_eq!(fs::metadata(&to)?.mode() & 0o7777, 0o700);
    let letter = to.join("mail/alice/letter");
    assert_eq!(fs::read_to_string(&letter)?, "Subject: hello\n");
    let found = fs::metadata(&letter)?;
    assert_eq!(found.mode() & 0o7777, 0o640, "set-id bits are not for this machine");
    assert_eq!(found.modified()?, written);
    if copied.owners {
        assert_eq!(found.uid(), 1234);
    }
    let holes = fs::metadata(to.join("holes"))?;
    assert_eq!(holes.len(), 3 << 20);
    assert!(holes.blocks() < 64, "holes are filled: {} blocks", holes.blocks());
    assert_eq!(fs::read_link(to.join("link"))?, Path::new("/etc/passwd"));

    let again = ground.read(|disk| rescue::copy(disk, Path::new("mail"), &to))?;
    assert!(matches!(again, Err(Error::NotEmpty(_))), "{again:?}");
    let one = ground.tree.with_file_name("one");
    let copied = ground.read(|disk| rescue::copy(disk, Path::new("mail/alice/letter"), &one))??;
    assert_eq!(copied.files, 1);
    assert!(one.join("letter").is_file());
    let listed = ground.read(|disk| rescue::list(disk, Path::new("mail/alice")))??;
    assert_eq!((listed[0].name.as_str(), listed[0].uid), ("letter", 1234));
    Ok(())
}

fn no_state(ground: &Ground) -> Outcome {
    symlink("/imgs", ground.tree.join("state/link"))?;
    ground.make()?;
    for path in ["../imgs", "nothing", "mail/../../imgs", "/var/mail", "link/oci-layout"] {
        let listed = ground.read(|disk| rescue::list(disk, Path::new(path)))?;
        let error = listed.unwrap_err();
        assert!(error.hint().unwrap().contains("`mail`"), "{path}: {error}");
    }
    let none = ground.read(|disk| rescue::journal(disk, 10))?;
    assert!(matches!(none, Err(Error::NoJournal)), "{none:?}");
    Ok(())
}

fn hostile_names(ground: &Ground) -> Outcome {
    let state = ground.tree.join("state");
    for name in ["AAAAAAAAAAAAAAAAAA", "BB", "CCCCCCCCCCCC"] {
        fs::create_dir(state.join(name))?;
        fs::write(state.join(name).join("file"), "hostile")?;
    }
    symlink("../../outside", state.join("DDDD"))?;
    fs::write(state.join("DDDE"), "through the symlink")?;
    fs::write(state.join("\u{1b}[2Jname"), "")?;
    ground.make()?;
    // A directory that is `..`, one with a slash, and a file by the name of a symlink.
    ground.spoil(b"\x02\x02BB", b"\x02\x02..")?;
    ground.spoil(b"DDDE", b"DDDD")?;
    let to = ground.tree.with_file_name("out");
    let copied = ground.read(|disk| rescue::copy(disk, Path::new(""), &to))??;
    assert!(copied.left_out.iter().any(|line| line.contains("twice")), "{copied:?}");
    let listed = ground.read(|disk| rescue::list(disk, Path::new("")))??;
    assert!(listed.iter().any(|it| it.name == "\\u{1b}[2Jname"), "{listed:?}");

    ground.spoil(b"AAAAAAAAAAAAAAAAAA", b"../../outside/file")?;
    let other = ground.tree.with_file_name("other");
    let copied = ground.read(|disk| rescue::copy(disk, Path::new(""), &other))??;
    assert!(!copied.left_out.is_empty(), "{copied:?}");

    let beside = fs::read_dir(ground.tree.parent().unwrap())?;
    let mut names: Vec<_> =
        beside.map(|it| it.map(|it| it.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    assert_eq!(names, ["disk", "other", "out", "tree"]);
    Ok(())
}

fn huge(ground: &Ground) -> Outcome {
    ground.make()?;
    let sizes = [("0x100000000", "more than the disk"), ("0x7fffffffffff", "too many blocks")];
    for (size, why) in sizes {
        ground.debugfs(&format!("set_inode_field /state/mail/alice/letter size {size}"))?;
        let to = ground.tree.with_file_name(size);
        let copied = ground.read(|disk| rescue::copy(disk, Path::new("mail"), &to))??;
        assert_eq!(copied.files, 0, "{copied:?}");
        assert!(copied.left_out[0].contains(why), "{copied:?}");
    }

    ground.debugfs("set_inode_field /imgs/oci-layout size 0x7fffffffffff")?;
    let error = Filesystem::open(&ground.disk).unwrap_err();
    assert!(matches!(error, Error::NotOurs { .. }), "{error}");
    Ok(())
}

fn cycle(ground: &Ground) -> Outcome {
    ground.make()?;
    ground.debugfs("ln /state/mail /state/mail/alice/again")?;
    ground.debugfs("ln /state/mail /state/mail/alice/more")?;
    let to = ground.tree.with_file_name("out");
    let copied = ground.read(|disk| rescue::copy(disk, Path::new("mail"), &to))?;
    assert!(matches!(copied, Err(Error::Endless(_))), "{copied:?}");
    Ok(())
}

fn refused(ground: &Ground) -> Outcome {
    fs::remove_dir_all(ground.tree.join("imgs"))?;
    ground.make()?;
    let others = Filesystem::open(&ground.disk).unwrap_err();
    assert!(others.to_string().contains("its ext4 has no /imgs"), "{others}");
    for (length, text) in [(0, "it has no ext4"), (5_000_000, "it has no ext4")] {
        fs::remove_file(&ground.disk)?;
        File::create(&ground.disk)?.set_len(length)?;
        let error = Filesystem::open(&ground.disk).unwrap_err();
        assert!(error.to_string().contains(text) && error.hint().is_some(), "{error}");
    }
    let error = Filesystem::open(&ground.tree).unwrap_err();
    assert!(error.to_string().contains("it is a directory"), "{error}");
    Ok(())
}
