//! A small package tree from the real archive, built more than once.
//!
//! Needs a mirror (the host's apt sources are asked, or the store has the files already) and
//! 65,536 ids: where this user has none, the tests are listed as ignored.

mod inspect;
mod set;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use rootfs::packages::{self, Packages};
use rootfs::{Facts, tarball};
use sandbox::JobEntry;

use inspect::{Inspect, Nothing};
use set::Set;

type Outcome = Result<(), Failed>;

/// The argument after which this executable builds a tree, in whatever surroundings it finds.
const BUILD: &str = "--build";

fn main() {
    let jobs = [JobEntry::of::<Packages>(), JobEntry::of::<Inspect>(), JobEntry::of::<Nothing>()];
    sandbox::serve(&jobs);
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == BUILD) {
        return match build_here(Path::new(&words[2])) {
            Ok(()) => {}
            Err(message) => {
                eprintln!("{message}");
                std::process::exit(1)
            }
        };
    }
    let arguments = Arguments::from_args();
    let bench = Arc::new(Bench::default());
    let trial = |name: &str, test: fn(&Bench) -> Outcome| {
        let bench = bench.clone();
        Trial::test(name, move || test(&bench))
    };
    let trials = [
        trial("a_build_in_other_surroundings_gives_the_same_bytes", same_bytes),
        trial("dpkg_finds_nothing_wrong_with_the_tree", sound),
        trial("facts_are_those_of_the_tree", facts),
        trial("a_script_that_fails_is_an_error_with_its_last_words", failing_script),
    ];
    let possible = inspect::are_jobs_possible();
    let trials = trials.map(|trial| trial.with_ignored_flag(!possible)).into();
    libtest_mimic::run(&arguments, trials).exit();
}

/// What the tests have in common, made when first needed.
#[derive(Default)]
struct Bench {
    first: OnceLock<Result<Built, String>>,
}

struct Built {
    set: Set,
    directory: tempfile::TempDir,
}

impl Bench {
    fn first(&self) -> Result<&Built, Failed> {
        let first = self.first.get_or_init(|| {
            let set = Set::fetch().map_err(|error| error.to_string())?;
            let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
            build(&set.job(directory.path(), 2), directory.path(), &Surroundings::plain())?;
            Ok(Built { set, directory })
        });
        first.as_ref().map_err(|error| error.as_str().into())
    }
}

/// What must not matter to a build.
struct Surroundings {
    cwd: &'static str,
    umask: &'static str,
    environment: [(&'static str, &'static str); 3],
}

impl Surroundings {
    fn plain() -> Self {
        let environment = [("TZ", "UTC"), ("LANG", "C"), ("USER", "someone")];
        Self { cwd: "/", umask: "022", environment }
    }

    fn odd() -> Self {
        let environment =
            [("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("POSIXLY_CORRECT", "1")];
        Self { cwd: "/usr/share", umask: "077", environment }
    }
}

/// Builds a tree in a process of its own, which has these surroundings.
fn build(job: &Packages, directory: &Path, surroundings: &Surroundings) -> Result<(), String> {
    let described = directory.join("job.json");
    let text = serde_json::to_string(job).map_err(|error| error.to_string())?;
    std::fs::write(&described, text).map_err(|error| error.to_string())?;
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let script = format!("umask {} && exec \"$@\"", surroundings.umask);
    let output = Command::new("/bin/sh")
        .args(["-c", &script, "sh"])
        .arg(this)
        .arg(BUILD)
        .arg(&described)
        .current_dir(surroundings.cwd)
        .envs(surroundings.environment)
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

fn build_here(described: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(described).map_err(|error| error.to_string())?;
    let job: Packages = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    sandbox::in_namespace(&job).map(drop).map_err(|error| {
        let mut said = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            said.push_str(&format!("{error}\n"));
            cause = error.source();
        }
        said
    })
}

fn same_bytes(bench: &Bench) -> Outcome {
    let first = bench.first()?;
    let other = tempfile::tempdir()?;
    build(&first.set.job(other.path(), 1), other.path(), &Surroundings::odd())?;
    for name in [packages::TREE, packages::FACTS, packages::PATHS] {
        let (one, other) = (first.directory.path().join(name), other.path().join(name));
        if std::fs::read(&one)? != std::fs::read(&other)? {
            let differences =
                if name == packages::TREE { differences(&one, &other)? } else { vec![] };
            return Err(format!("{name} differs: {differences:#?}").into());
        }
    }
    Ok(())
}

/// The paths in which two archives differ.
fn differences(one: &Path, other: &Path) -> io::Result<Vec<String>> {
    let read = |path: &Path| -> io::Result<BTreeMap<String, String>> {
        let mut entries = BTreeMap::new();
        tarball::read(BufReader::new(File::open(path)?), |header, content| -> io::Result<()> {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
            entries.insert(header.shown(), format!("{header:?} {text}"));
            Ok(())
        })?;
        Ok(entries)
    };
    let (one, other) = (read(one)?, read(other)?);
    let paths = one.keys().chain(other.keys());
    let differing = paths.filter(|path| one.get(*path) != other.get(*path));
    Ok(differing.map(|path| format!("{:?}\n{:?}", one.get(path), other.get(path))).collect())
}

fn sound(bench: &Bench) -> Outcome {
    let tar = bench.first()?.directory.path().join(packages::TREE);
    let said = sandbox::in_namespace(&Inspect { tar })?;
    for (command, output) in said {
        if !output.is_empty() {
            return Err(format!("{command} says: {output}").into());
        }
    }
    Ok(())
}

fn facts(bench: &Bench) -> Outcome {
    let first = bench.first()?;
    let facts = Facts::read(&first.directory.path().join(packages::FACTS))?;
    let tar = first.directory.path().join(packages::TREE);
    assert_eq!(facts.packages as usize, first.set.files.len());
    assert_eq!(facts.kernel, None);
    let user = facts.ids.users.get("messagebus").copied().ok_or("dbus has made no user")?;
    assert!((100..1000).contains(&user), "{user}");
    let file = |path: &str| -> io::Result<Option<(tarball::Header, Vec<u8>)>> {
        tarball::find(&tar, path.as_bytes())
    };
    let (_, passwd) = file("etc/passwd")?.ok_or("no /etc/passwd")?;
    assert_eq!(String::from_utf8_lossy(&passwd), facts.accounts.passwd);
    let (machine_id, content) = file("etc/machine-id")?.ok_or("no /etc/machine-id")?;
    assert_eq!((machine_id.mtime, content.as_slice()), (set::EPOCH as i64, &b""[..]));
    let (su, _) = file("usr/bin/su")?.ok_or("no su")?;
    assert_eq!(su.mode, 0o4755, "set-id bits are kept");
    let (_, bundle) = file("etc/ssl/certs/ca-certificates.crt")?.ok_or("no bundle")?;
    assert!(bundle.len() > 100_000, "made once all scripts have run");
    for gone in ["usr/sbin/policy-rc.d", "etc/hosts", "var/log/dpkg.log", "etc/passwd-"] {
        assert_eq!(file(gone)?, None, "{gone}");
    }
    let mut times = Vec::new();
    tarball::read(BufReader::new(File::open(&tar)?), |header, _| -> io::Result<()> {
        times.push(header.mtime);
        Ok(())
    })?;
    assert!(times.iter().all(|time| *time <= set::EPOCH as i64));
    Ok(())
}

fn failing_script(bench: &Bench) -> Outcome {
    let set = &bench.first()?.set;
    let directory = tempfile::tempdir()?;
    let bad: PathBuf = set::failing_package(directory.path())?;
    let mut job = set.job(directory.path(), 2);
    job.files.push(bad);
    let Err(error) = build(&job, directory.path(), &Surroundings::plain()) else {
        return Err("it was built all the same".into());
    };
    assert!(error.contains("cannot configure the packages"), "{error}");
    assert!(error.contains("my last words"), "{error}");
    assert!(!directory.path().join(packages::TREE).exists(), "a broken tree was written");
    Ok(())
}
