//! From `tools.toml`, `tools.lock` and package files to a tool root.

use std::fs::{self, File};
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use sandbox::{Error, Group, Program, Tools};
use store::{Options, Store};

use crate::{Outcome, check, refused, roots, same};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        Trial::test("two_commands_at_once_share_one_tool_root", shared),
        Trial::test("what_a_killed_command_left_of_a_tool_root_is_removed", left_over),
        Trial::test("a_missing_package_leaves_no_tool_root", incomplete),
        Trial::test("mistakes_in_tools_toml_are_told_with_their_place", mistakes),
        Trial::test("a_lock_of_other_tools_is_stale", stale),
    ]
}

/// A cache that holds the packages of one group, and knows no sources.
fn cache() -> Result<tempfile::TempDir, Failed> {
    let real = roots::store()?;
    let tools = Tools::open(&roots::workspace(), &real)?;
    let lock = tools.locked(Group::Image)?;
    real.fetch(&lock.items())?;
    let cache = tempfile::tempdir()?;
    let store = open(cache.path())?;
    for package in &lock.packages {
        store.put(File::open(real.path(package.sha256))?)?;
    }
    Ok(cache)
}

fn open(cache: &Path) -> store::Result<Store> {
    Store::open(Options::bare(cache))
}

fn unpacked(cache: &Path) -> Result<std::path::PathBuf, Failed> {
    let store = open(cache)?;
    Ok(Tools::open(&roots::workspace(), &store)?.root(Group::Image)?.path().into())
}

fn names(cache: &Path) -> std::io::Result<Vec<String>> {
    let entries = fs::read_dir(cache.join("tools"))?;
    let mut names: Vec<String> = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    names.sort();
    Ok(names)
}

fn shared() -> Outcome {
    let cache = cache()?;
    let path = cache.path();
    let both = std::thread::scope(|scope| {
        let other = scope.spawn(|| unpacked(path));
        (unpacked(path), other.join())
    });
    let (one, other) = (both.0?, both.1.map_err(|_| "a thread panicked")??);
    same(&one, &other)?;
    let name = one.file_name().unwrap_or_default().to_string_lossy().into_owned();
    same(names(path)?, vec![name, "lock".into()])?;
    let program = Program::Mksquashfs.path().strip_prefix("/")?;
    check(one.join(program).is_file(), "mksquashfs is not there")
}

fn left_over() -> Outcome {
    let cache = cache()?;
    fs::create_dir_all(cache.path().join("tools/.part-old/usr/bin"))?;
    fs::write(cache.path().join("tools/.part-old/usr/bin/mksquashfs"), "half")?;
    unpacked(cache.path())?;
    same(names(cache.path())?.len(), 2)
}

fn incomplete() -> Outcome {
    let cache = cache()?;
    let store = open(cache.path())?;
    let tools = Tools::open(&roots::workspace(), &store)?;
    let package = &tools.locked(Group::Image)?.packages[0];
    fs::remove_file(store.path(package.sha256))?;
    let error = refused(tools.root(Group::Image))?;
    check(matches!(error, Error::Store(_)), format!("{error:?}"))?;
    same(names(cache.path())?, vec!["lock".to_owned()])
}

/// A workspace whose `tools.toml` has one thing in the place of another.
fn workspace(from: &str, to: &str) -> Result<tempfile::TempDir, Failed> {
    let directory = tempfile::tempdir()?;
    let text = fs::read_to_string(roots::workspace().join("tools.toml"))?;
    check(text.contains(from), format!("tools.toml has no `{from}`"))?;
    fs::write(directory.path().join("tools.toml"), text.replacen(from, to, 1))?;
    fs::copy(roots::workspace().join("tools.lock"), directory.path().join("tools.lock"))?;
    Ok(directory)
}

fn mistakes() -> Outcome {
    let cache = tempfile::tempdir()?;
    let store = open(cache.path())?;
    for (from, to, expected) in [
        ("suite = ", "colour = 1\nsuite = ", "unknown field `colour`"),
        ("[groups.check]", "[groups.cheque]", "unknown variant `cheque`"),
        ("\"backports\"", "\"backport\"", "`backport` is not one of"),
        ("\"mtools\"", "\"Mtools!\"", "`Mtools!` is not of the form"),
        ("2026-11-22", "2026-02-30", "date"),
    ] {
        let text = fs::read_to_string(roots::workspace().join("tools.toml"))?;
        let place = text.find(from).map_or(0, |at| text[..at].matches('\n').count() + 1);
        let workspace = workspace(from, to)?;
        let text = refused(Tools::open(workspace.path(), &store))?.to_string();
        for part in ["tools.toml: ", &format!("line {place}"), expected] {
            check(text.contains(part), format!("`{part}` is not in {text}"))?;
        }
    }
    Ok(())
}

fn stale() -> Outcome {
    let cache = tempfile::tempdir()?;
    let store = open(cache.path())?;
    let workspace = workspace("\"mtools\"", "\"mtools\", \"sed\"")?;
    let error = refused(Tools::open(workspace.path(), &store))?;
    check(
        matches!(error, Error::StaleToolsLock { group: Group::Image, .. }),
        format!("{error:?}"),
    )?;
    check(error.hint().is_some_and(|hint| hint.contains("lock --tools")), "there is no hint")
}
