//! A small tree from the real archive, built more than once.
//!
//! Needs a mirror (the host's apt sources are asked, or the store has the files already).

mod deb;
mod hostile;
pub(crate) mod inspect;
mod order;
mod set;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Failed, Trial};
use rootfs::debian::{PackageFile, Packages};
use rootfs::{Facts, packages, tarball};

use crate::surroundings::{Surroundings, Wanted, build, compare};
use crate::{Outcome, clock};
use inspect::Inspect;
use set::Set;

pub(crate) fn all() -> Vec<Trial> {
    let bench = Arc::new(Bench::default());
    let trial = |name: &str, test: fn(&Bench) -> Outcome| {
        let bench = bench.clone();
        Trial::test(name, move || test(&bench))
    };
    vec![
        trial("a_build_in_other_surroundings_gives_the_same_bytes", same_bytes),
        trial("dpkg_finds_nothing_wrong_with_the_tree", sound),
        trial("a_cache_of_fonts_is_fresh_as_built", fresh_fonts),
        trial("facts_are_those_of_the_tree", facts),
        trial("nothing_in_the_tree_has_todays_date", undated),
        trial("a_preinst_comes_after_its_pre_dependencies_and_before_its_files", order::preinst),
        trial("a_diversion_decides_who_has_a_path", order::diversions),
        trial("an_owner_and_mode_of_dpkg_statoverride_wins", order::overrides),
        trial("a_package_of_a_later_round_sets_off_the_triggers_of_earlier_ones", order::triggers),
        trial("a_question_that_is_registered_at_run_time_is_answered", order::questions),
        trial("a_stub_has_the_answer_that_a_script_needs", order::stubs),
        trial("a_script_that_fails_is_an_error_with_its_last_words", failing_script),
        trial("a_link_where_dpkgs_database_is_written_is_refused", hostile::links_in_the_database),
        trial("a_name_that_is_a_path_is_refused", hostile::names_that_are_paths),
        trial("a_package_that_is_not_the_locked_one_is_refused", hostile::another_package),
        trial("what_a_script_makes_of_etc_leads_nowhere", hostile::etc_becomes_a_link),
    ]
}

/// What the tests have in common, made when first needed.
#[derive(Default)]
struct Bench {
    first: OnceLock<Result<Built, String>>,
    few: OnceLock<Result<Set, String>>,
}

struct Built {
    set: Set,
    /// Packages that were made for the tests.
    _made: tempfile::TempDir,
    directory: tempfile::TempDir,
}

impl Bench {
    fn first(&self) -> Result<&Built, Failed> {
        let first = self.first.get_or_init(|| {
            let mut set = Set::fetch(&set::WANTED).map_err(|error| error.to_string())?;
            let made = tempfile::tempdir().map_err(|error| error.to_string())?;
            set.files.extend(order::packages(made.path()).map_err(|error| error.to_string())?);
            set.files.sort_by(|one, other| one.name.cmp(&other.name));
            let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
            let job = Wanted::Debian(set.job(directory.path(), 2));
            build(&job, directory.path(), &Surroundings::plain())?;
            Ok(Built { set, _made: made, directory })
        });
        first.as_ref().map_err(|error| error.as_str().into())
    }

    fn few(&self) -> Result<&Set, Failed> {
        let fetch = || Set::fetch(&set::FEW).map_err(|error| error.to_string());
        self.few.get_or_init(fetch).as_ref().map_err(|error| error.as_str().into())
    }
}

/// Builds a tree of these packages and gives what was said if that failed.
fn built(files: Vec<PackageFile>, out: &Path) -> Result<(), String> {
    let job = Set { files }.job(out, 1);
    let job = Packages { debconf: Default::default(), ..job };
    build(&Wanted::Debian(job), out, &Surroundings::plain())
}

fn same_bytes(bench: &Bench) -> Outcome {
    let first = bench.first()?;
    let other = tempfile::tempdir()?;
    let job = first.set.job(other.path(), 1);
    build(&Wanted::Debian(job), other.path(), &Surroundings::odd())?;
    compare(first.directory.path(), other.path())
}

/// What programs of the tree say of it.
fn asked(bench: &Bench, commands: &[&str]) -> Result<Vec<(String, String)>, Failed> {
    let tar = bench.first()?.directory.path().join(packages::TREE);
    let commands = commands.iter().map(|&command| command.to_owned()).collect();
    Ok(sandbox::in_namespace(&Inspect { tar, commands })?)
}

fn sound(bench: &Bench) -> Outcome {
    let questions = ["--audit", "--verify", "--configure --pending"];
    let questions = questions.map(|question| format!("/usr/bin/dpkg {question}"));
    for (command, output) in asked(bench, &questions.each_ref().map(String::as_str))? {
        if !output.is_empty() {
            return Err(format!("{command} says: {output}").into());
        }
    }
    Ok(())
}

/// No program has to read all fonts because the cache is of other times than their directories.
fn fresh_fonts(bench: &Bench) -> Outcome {
    let said = asked(bench, &["/usr/bin/fc-cache --system-only --verbose"])?;
    let lines: Vec<&str> = said[0].1.lines().collect();
    for directory in ["/usr/share/fonts: ", "/usr/share/fonts/truetype/dejavu: "] {
        let line = lines.iter().find(|line| line.starts_with(directory));
        let is_fresh = line.is_some_and(|line| line.contains("existing cache is valid"));
        assert!(is_fresh, "{directory}: {lines:#?}");
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
    assert!(file("etc/aliases")?.is_some(), "postfix has made its aliases, and their database");
    for gone in [
        "usr/sbin/policy-rc.d",
        "etc/hosts",
        "var/log/dpkg.log",
        "var/log/alternatives.log",
        "etc/passwd-",
        "etc/aliases.db",
        "etc/ssl/certs/ssl-cert-snakeoil.pem",
        "etc/ssl/private/ssl-cert-snakeoil.key",
    ] {
        assert_eq!(file(gone)?, None, "{gone}");
    }
    let mut headers = Vec::new();
    tarball::read(BufReader::new(File::open(&tar)?), |header, _| -> io::Result<()> {
        headers.push(header);
        Ok(())
    })?;
    assert!(headers.iter().all(|header| header.mtime <= set::EPOCH as i64));
    let compiled = headers.iter().find(|header| header.shown().ends_with(".pyc"));
    assert_eq!(compiled, None, "compiled modules have times");
    assert!(headers.iter().any(|header| header.shown().ends_with(".py")));
    Ok(())
}

fn undated(bench: &Bench) -> Outcome {
    let tar = bench.first()?.directory.path().join(packages::TREE);
    let found = clock::dated(&tar, set::EPOCH)?;
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}

fn failing_script(bench: &Bench) -> Outcome {
    let directory = tempfile::tempdir()?;
    let bad = set::failing_package(directory.path())?;
    let files = bench.few()?.files.iter().cloned().chain([bad]).collect();
    let Err(error) = built(files, directory.path()) else {
        return Err("it was built all the same".into());
    };
    assert!(error.contains("the postinst of zzz-bad failed"), "{error}");
    assert!(error.contains("+ exit 3"), "its commands are shown: {error}");
    assert!(error.contains("\nand these are hidden"), "what it hides: {error}");
    assert!(error.contains("my last words"), "{error}");
    assert!(!directory.path().join(packages::TREE).exists(), "a broken tree was written");
    Ok(())
}
