//! Everything made twice in different surroundings is the same to the last byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use digest::Digest;
use generation::LayerFormat;
use image::{Editing, Error, container, disk, iso, layer, qcow2, root_tar};
use libtest_mimic::Trial;
use rustix::fs::Mode;
use sandbox::Group;

use crate::fixture::{EPOCH, bundle, tools};
use crate::{Outcome, check, jobs};

const FOLDER: &str = "HEIRLOOM_TEST_FOLDER";
const UMASK: &str = "HEIRLOOM_TEST_UMASK";
const ON_DISK: &str = "HEIRLOOM_TEST_ON_DISK";

pub(crate) fn all() -> Vec<Trial> {
    vec![Trial::test("everything_is_the_same_in_other_surroundings", same)]
}

/// What this executable does when it is started by the test: make everything.
pub(crate) struct Order {
    folder: PathBuf,
    umask: Mode,
    /// Whether trees are unpacked on disk, else in memory.
    on_disk: bool,
}

impl Order {
    pub(crate) fn from_environment() -> Option<Self> {
        let folder = std::env::var_os(FOLDER)?.into();
        let umask = std::env::var(UMASK).ok()?.parse().ok()?;
        let on_disk = std::env::var_os(ON_DISK).is_some();
        Some(Self { folder, umask: Mode::from_raw_mode(umask), on_disk })
    }

    pub(crate) fn build(&self) -> Result<(), Error> {
        rustix::process::umask(self.umask);
        let at = |name: &str| self.folder.join(name);
        let image = tools(Group::Image);
        let bundle = bundle(&self.folder, &image);
        if self.on_disk {
            sandbox::set_scratch_on_disk();
        }
        if jobs::are_possible() {
            layer::build(&image, LayerFormat::Erofs, &at("tree.tar"), EPOCH, &at("tree.erofs"))?;
        }
        disk::build(&image, &bundle, Editing::Refused, EPOCH, &at("disk"))?;
        iso::build(&image, &bundle, Editing::Refused, EPOCH, &at("iso"))?;
        qcow2::build(&tools(Group::Qemu), &at("disk"), &at("qcow2"))?;
        root_tar::build(&at("tree.tar"), &at("config.tar"), &at("root.tar"))?;
        let tars = [at("tree.tar"), at("config.tar")];
        let tars: Vec<&Path> = tars.iter().map(PathBuf::as_path).collect();
        container::build(&tars, bundle.config(), &at("oci.tar"))
    }
}

fn same() -> Outcome {
    let dir = tempfile::tempdir()?;
    let one = make(dir.path(), "one", "/", 0o022, &[("TZ", "UTC"), ("LC_ALL", "C")])?;
    let strange = [
        ("TZ", "Pacific/Chatham"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("SOURCE_DATE_EPOCH", "1"),
        (ON_DISK, "1"),
    ];
    let two = make(dir.path(), "a much longer name", "/proc", 0o077, &strange)?;
    check(one.len() == 12 + usize::from(jobs::are_possible()), format!("{:?}", one.keys()))?;
    for (name, digest) in &one {
        check(two.get(name) == Some(digest), format!("{name} differs"))?;
    }
    Ok(())
}

/// Digests of all that is made in the folder `name`.
fn make(
    dir: &Path,
    name: &str,
    cwd: &str,
    umask: u32,
    env: &[(&str, &str)],
) -> Result<BTreeMap<String, Digest>, libtest_mimic::Failed> {
    let folder = dir.join(name);
    fs::create_dir(&folder)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.current_dir(cwd).env(FOLDER, &folder).env(UMASK, umask.to_string());
    let status = command.envs(env.iter().copied()).status()?;
    check(status.success(), status)?;
    let mut digests = BTreeMap::new();
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let (digest, _) = Digest::of_reader(fs::File::open(entry.path())?)?;
        digests.insert(entry.file_name().to_string_lossy().into_owned(), digest);
    }
    Ok(digests)
}
