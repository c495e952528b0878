//! Packages that do not come to a tree.

use std::fs;

use testarchive::{Entry, Kind, Package};

use super::set::package;
use super::{Bench, Test};
use crate::Outcome;
use crate::surroundings::{Surroundings, Wanted, build};

pub(super) const ALL: [Test; 12] = [
    ("an_install_script_that_fails_is_an_error_with_its_last_words", failing_script),
    ("a_hook_that_fails_is_an_error_with_its_last_words", failing_hook),
    ("a_hook_that_runs_before_a_transaction_is_for_later_ones", hook_before),
    ("a_hook_whose_program_is_missing_is_an_error", hook_without_program),
    ("a_file_of_two_packages_is_an_error_that_names_both", file_conflict),
    ("an_owner_that_cannot_be_given_is_an_error", impossible_owner),
    ("packages_that_conflict_are_an_error", conflict),
    ("a_dependency_that_is_not_locked_is_an_error", missing_dependency),
    ("a_member_that_leads_out_is_refused_before_pacman_starts", leading_out),
    ("a_link_that_a_script_makes_leads_nowhere_outside", link_of_a_script),
    ("a_package_that_is_another_one_is_refused", other_package),
    ("a_broken_file_is_refused", broken),
];

/// The error of building the set with these packages besides; `spoil` may change the files.
fn refused_with(
    bench: &Bench,
    more: Vec<Package>,
    spoil: impl Fn(&mut Vec<u8>),
) -> Result<String, libtest_mimic::Failed> {
    let set = &bench.first()?.set;
    let directory = tempfile::tempdir()?;
    let out = directory.path().join("deep/down/out");
    fs::create_dir_all(&out)?;
    let mut job = set.job(&out, 2);
    for file in set.write(directory.path(), more)? {
        let mut bytes = fs::read(&file.path)?;
        spoil(&mut bytes);
        fs::write(&file.path, bytes)?;
        job.files.push(file);
    }
    job.files.sort_by(|one, other| one.name.cmp(&other.name));
    let Err(error) = build(&Wanted::Arch(job), directory.path(), &Surroundings::plain()) else {
        return Err("it was built all the same".into());
    };
    assert_eq!(fs::read_dir(&out)?.count(), 0, "a broken tree was written");
    Ok(error)
}

fn refused(bench: &Bench, more: Vec<Package>) -> Result<String, libtest_mimic::Failed> {
    refused_with(bench, more, |_| ())
}

fn contains(error: &str, expected: &[&str]) -> Outcome {
    match expected.iter().find(|text| !error.contains(**text)) {
        None => Ok(()),
        Some(missing) => Err(format!("`{missing}` is not in: {error}").into()),
    }
}

fn failing_script(bench: &Bench) -> Outcome {
    let install = "post_install() {\n  echo my last words >&2\n  return 3\n}\n";
    let error = refused(bench, vec![package("bad").depends("sh").install(install)])?;
    contains(&error, &["installing bad failed", "my last words", "failed to execute correctly"])
}

fn hook(when: &str, exec: &str, more: &str) -> Package {
    let text = format!(
        "[Trigger]\nOperation = Install\nType = Package\nTarget = users\n\n[Action]\n\
         Description = Doing it badly...\nWhen = {when}\nExec = {exec}\n{more}"
    );
    package("bad").depends("sh").hook("bad.hook", &text)
}

fn failing_hook(bench: &Bench) -> Outcome {
    let exec = "/bin/sh -c 'echo my last words; exit 1'";
    let error = refused(bench, vec![hook("PostTransaction", exec, "")])?;
    contains(&error, &["the hook `Doing it badly...` failed", "my last words"])
}

fn hook_before(bench: &Bench) -> Outcome {
    let exec = "/bin/sh -c 'exit 1'";
    let set = &bench.first()?.set;
    let directory = tempfile::tempdir()?;
    let mut job = set.job(directory.path(), 2);
    let bad = hook("PreTransaction", exec, "AbortOnFail\n");
    job.files.extend(set.write(directory.path(), vec![bad])?);
    Ok(build(&Wanted::Arch(job), directory.path(), &Surroundings::plain())?)
}

fn hook_without_program(bench: &Bench) -> Outcome {
    let error = refused(bench, vec![hook("PostTransaction", "/usr/bin/nowhere", "")])?;
    contains(&error, &["the hook `Doing it badly...` failed", "No such file or directory"])
}

fn file_conflict(bench: &Bench) -> Outcome {
    let error = refused(bench, vec![package("bad").file("usr/share/hen", 0o644, "other")])?;
    contains(&error, &["pacman cannot install", "/usr/share/hen exists in both 'hen' and 'bad'"])
}

fn impossible_owner(bench: &Bench) -> Outcome {
    let entry = Entry { uid: 70_000, ..Entry::new(Kind::File("x".into()), 0o644) };
    let error = refused(bench, vec![package("bad").entry("usr/share/bad", entry)])?;
    contains(&error, &["installing bad failed", "usr/share/bad", "user=70000"])
}

fn conflict(bench: &Bench) -> Outcome {
    let error = refused(bench, vec![package("bad").conflicts("hen")])?;
    contains(&error, &["bad", "hen", "conflict"])?;
    // Here pacman would leave one of the two out and go on.
    let error = refused(bench, vec![package("bad").conflicts("egg").provides("egg")])?;
    contains(&error, &["pacman did not install what is locked; missing: egg-1:1.0-1"])
}

fn missing_dependency(bench: &Bench) -> Outcome {
    let error = refused(bench, vec![package("bad").depends("nothing>=2")])?;
    contains(&error, &["pacman cannot install", "nothing>=2", "bad"])
}

fn leading_out(bench: &Bench) -> Outcome {
    for path in ["../../escaped", "/tmp/escaped", "usr/../../escaped", "dev/escaped"] {
        let error = refused(bench, vec![package("bad").file(path, 0o644, "out")])?;
        contains(&error, &["cannot unpack bad-1:1.0-1"])?;
        assert!(error.contains("leads out") || error.contains("anew at each boot"), "{error}");
    }
    let link = package("bad").symlink("usr/share/out", "/var/tmp");
    let through = package("worse").file("usr/share/out/escaped", 0o644, "out");
    let error = refused(bench, vec![link, through])?;
    contains(&error, &["worse-1:1.0-1", "behind the symbolic link `/usr/share/out`"])
}

fn link_of_a_script(bench: &Bench) -> Outcome {
    let set = &bench.first()?.set;
    let directory = tempfile::tempdir()?;
    let outside = directory.path().join("outside");
    for name in ["shadow", "machine-id", "passwd"] {
        let mine = outside.join(name);
        fs::create_dir_all(&outside)?;
        fs::write(&mine, "root:mine:1::::::\n")?;
        let link = mine.display();
        let package = package("bad").depends("users").install(&format!(
            "post_install() {{\n  rm etc/{name}\n  ln -s {link} etc/{name}\n}}\n"
        ));
        let mut job = set.job(directory.path(), 2);
        job.files.extend(set.write(directory.path(), vec![package])?);
        // Whether a tree comes of it does not matter here.
        let built = build(&Wanted::Arch(job), directory.path(), &Surroundings::plain());
        assert_eq!(fs::read_to_string(&mine)?, "root:mine:1::::::\n", "{built:?}");
        if built.is_ok() {
            let facts = fs::read_to_string(directory.path().join(rootfs::packages::FACTS))?;
            assert!(!facts.contains("mine"), "{facts}");
        }
    }
    Ok(())
}

fn other_package(bench: &Bench) -> Outcome {
    for (field, value) in [("pkgname", "good"), ("pkgver", "2-1"), ("arch", "x86_64")] {
        let error = refused(bench, vec![package("bad").pkginfo(field, value)])?;
        contains(
            &error,
            &["cannot unpack bad-1:1.0-1-any.pkg.tar.zst", "it is the package", value],
        )?;
    }
    Ok(())
}

fn broken(bench: &Bench) -> Outcome {
    let bad = || vec![package("bad").file("usr/share/bad", 0o644, "bad".repeat(1000))];
    let error = refused_with(bench, bad(), |bytes| bytes.truncate(bytes.len() / 2))?;
    contains(&error, &["cannot unpack bad-1:1.0-1-any.pkg.tar.zst"])?;
    let error = refused_with(bench, bad(), |bytes| *bytes = b"<html>not found".to_vec())?;
    contains(&error, &["cannot unpack bad-1:1.0-1-any.pkg.tar.zst"])
}
