//! A tree of packages that are made up, by real pacman.

mod beside;
mod inspect;
mod order;
mod refusals;
mod set;
mod whole;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Failed, Trial};
use rootfs::tarball::{self, Header, Kind};
use rootfs::{Facts, packages};

use crate::surroundings::{Surroundings, Wanted, build, compare};
use crate::{Outcome, clock};
pub(crate) use inspect::Ask;
use set::{BUILT, EPOCH, Set};

/// A test with its name.
type Test = (&'static str, fn(&Bench) -> Outcome);

pub(crate) fn all() -> Vec<Trial> {
    let bench = Arc::new(Bench::default());
    let trial = |(name, test): Test| {
        let bench = bench.clone();
        Trial::test(format!("arch::{name}"), move || test(&bench))
    };
    let honest: [Test; 8] = [
        ("a_build_in_other_surroundings_gives_the_same_bytes", same_bytes),
        ("files_are_as_their_packages_have_them", files),
        ("what_scripts_and_hooks_did_is_there", scripts),
        ("what_differs_from_build_to_build_is_not_there", normalised),
        ("nothing_in_the_tree_has_todays_date", undated),
        ("pacman_knows_the_tree_and_finds_nothing_missing", known),
        ("facts_are_those_of_the_tree", facts),
        ("a_whole_system_is_installed_the_same_twice", whole::whole_system),
    ];
    honest
        .into_iter()
        .chain(beside::ALL)
        .chain(order::ALL)
        .chain(refusals::ALL)
        .map(trial)
        .collect()
}

/// What the tests have in common, made when first needed.
#[derive(Default)]
struct Bench {
    first: OnceLock<Result<Built, String>>,
}

struct Built {
    set: Set,
    directory: tempfile::TempDir,
    paths: BTreeMap<String, (Header, String)>,
}

impl Bench {
    fn first(&self) -> Result<&Built, Failed> {
        let first = self.first.get_or_init(|| {
            let set = Set::make().map_err(|error| error.to_string())?;
            let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
            let job = Wanted::Arch(set.job(directory.path(), 2));
            build(&job, directory.path(), &Surroundings::plain())?;
            let tar = directory.path().join(packages::TREE);
            let paths = contents(tar).map_err(|error| error.to_string())?;
            Ok(Built { set, directory, paths })
        });
        first.as_ref().map_err(|error| error.as_str().into())
    }
}

fn contents(tar: PathBuf) -> io::Result<BTreeMap<String, (Header, String)>> {
    let mut paths = BTreeMap::new();
    tarball::read(BufReader::new(File::open(tar)?), |header, content| -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let path = String::from_utf8_lossy(&header.path).into_owned();
        paths.insert(path, (header, String::from_utf8_lossy(&bytes).into_owned()));
        Ok(())
    })?;
    Ok(paths)
}

impl Built {
    fn header(&self, path: &str) -> Result<&Header, Failed> {
        Ok(&self.paths.get(path).ok_or_else(|| format!("there is no {path}"))?.0)
    }

    fn text(&self, path: &str) -> Result<&str, Failed> {
        Ok(&self.paths.get(path).ok_or_else(|| format!("there is no {path}"))?.1)
    }
}

fn same_bytes(bench: &Bench) -> Outcome {
    let first = bench.first()?;
    let other = tempfile::tempdir()?;
    let job = Wanted::Arch(first.set.job(other.path(), 1));
    build(&job, other.path(), &Surroundings::odd())?;
    compare(first.directory.path(), other.path())
}

fn files(bench: &Bench) -> Outcome {
    let first = bench.first()?;
    let suid = first.header("usr/bin/suid")?;
    assert_eq!((suid.mode, suid.mtime), (0o4755, BUILT));
    assert_eq!(first.header("usr/bin/suid-too")?.kind, Kind::HardLink(b"usr/bin/suid".to_vec()));
    let xattrs = &first.header("usr/bin/ping")?.xattrs;
    assert_eq!(xattrs.get("security.capability").map(Vec::as_slice), Some(&set::CAPABILITY[..]));
    let mail = first.header("usr/share/things/mail")?;
    assert_eq!((mail.uid, mail.gid, mail.mode), (8, 12, 0o640));
    assert_eq!(first.header("usr/share/things/late")?.mtime, EPOCH as i64);
    assert_eq!(first.header("bin")?.kind, Kind::Symlink(b"usr/bin".to_vec()));
    let modes = [("tmp", 0o1777), ("var/tmp", 0o1777), ("proc", 0o555), ("root", 0o750)];
    for (directory, mode) in modes.into_iter().chain([("sys", 0o555), ("run", 0o755)]) {
        assert_eq!(first.header(directory)?.mode, mode, "{directory}");
    }
    assert!(first.paths.values().all(|(header, _)| header.mtime <= EPOCH as i64));
    Ok(())
}

fn scripts(bench: &Bench) -> Outcome {
    let first = bench.first()?;
    assert_eq!(
        first.text("usr/share/things.list")?,
        "usr/share/things/\nusr/share/things/late\nusr/share/things/mail\n",
        "the hook was told what it is about"
    );
    assert_eq!(first.text("etc/seen")?, "server.heirloom.invalid 0022 UTC C.UTF-8 /root 1\n");
    let git = first.header("srv/git")?;
    assert_eq!((git.uid, git.gid, git.mtime), (967, 967, EPOCH as i64));
    assert_eq!(first.header("etc/passwd")?.mtime, EPOCH as i64, "a script has changed it");
    Ok(())
}

fn normalised(bench: &Bench) -> Outcome {
    let first = bench.first()?;
    for gone in [
        "etc/passwd-",
        "etc/shadow-",
        "boot/EFI",
        "boot/initramfs-linux.img",
        "boot/vmlinuz-linux",
        "etc/pacman.d/gnupg/secret",
        "usr/lib/python/__pycache__/made.pyc",
        "var/cache/ldconfig/aux-cache",
        "var/lib/pacman/db.lck",
        "var/lib/pacman/sync/heirloom.db",
        "var/log/pacman.log",
    ] {
        assert!(!first.paths.contains_key(gone), "{gone}");
    }
    assert_eq!(first.text("boot/memtest86+/memtest.bin")?, "memtest");
    for place in ["dev/", "efi/", "proc/", "run/", "sys/", "tmp/"] {
        let below: Vec<_> = first.paths.keys().filter(|path| path.starts_with(place)).collect();
        assert!(below.is_empty(), "{below:?}");
    }
    assert_eq!(first.text("usr/lib/python/__pycache__/packaged.pyc")?, "compiled");
    assert_eq!(first.text("etc/machine-id")?, "");
    let day = EPOCH / 86_400;
    let shadow = format!("root:*:{day}::::::\ngit:!*:{day}::::::\n");
    assert_eq!(first.text("etc/shadow")?, shadow);
    Ok(())
}

fn undated(bench: &Bench) -> Outcome {
    let tar = bench.first()?.directory.path().join(packages::TREE);
    let found = clock::dated(&tar, EPOCH)?;
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}

fn known(bench: &Bench) -> Outcome {
    let first = bench.first()?;
    let desc = |name: &str| first.text(&format!("var/lib/pacman/local/{name}-1:1.0-1/desc"));
    let dated = format!("%INSTALLDATE%\n{EPOCH}\n\n");
    for (name, is_explicit) in [
        ("hen", true),
        ("users", true), // by its group
        ("linux", true),
        ("egg", false),
        ("dash", false),
        ("things", false),
    ] {
        assert!(desc(name)?.contains(&dated), "{name}: {}", desc(name)?);
        assert_eq!(!desc(name)?.contains("%REASON%\n1\n"), is_explicit, "{name}");
    }
    assert!(desc("things")?.contains("%VALIDATION%\nsha256\n"), "{}", desc("things")?);
    let tar = first.directory.path().join(packages::TREE);
    let answers = sandbox::in_namespace(&Ask { tar, tools: first.set.tools.clone() })?;
    let names = ["dash", "egg", "filesystem", "hen", "linux", "things", "users"];
    assert_eq!(answers[0], names.map(|name| format!("{name} 1:1.0-1\n")).concat());
    for line in answers[1].lines() {
        assert!(line.ends_with(" 0 missing files"), "{line}");
    }
    assert_eq!(answers[1].lines().count(), names.len());
    Ok(())
}

fn facts(bench: &Bench) -> Outcome {
    let first = bench.first()?;
    let facts = Facts::read(&first.directory.path().join(packages::FACTS))?;
    assert_eq!(facts.packages as usize, first.set.files.len());
    assert_eq!(facts.ids.users.get("git"), Some(&967));
    assert_eq!(facts.ids.groups.get("git"), Some(&967));
    assert_eq!(facts.accounts.passwd, first.text("etc/passwd")?);
    let kernel = facts.kernel.ok_or("no kernel was found")?;
    assert_eq!(kernel.version, "6.12.1-arch1-1");
    assert_eq!(kernel.vmlinuz, "usr/lib/modules/6.12.1-arch1-1/vmlinuz");
    let index = first.text("usr/lib/modules/6.12.1-arch1-1/modules.dep")?;
    assert_eq!(index, format!("6.12.1-arch1-1 {EPOCH}\n"), "made, as no hook does it");
    Ok(())
}
