//! Locks that someone tampered with.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::workspace::{Workspace, has};
use crate::{SERVER, results, trial, undisturbed};

const SERVER_LOCK: &str = "servers/webserver/server.lock";

pub(crate) fn all() -> Vec<Trial> {
    vec![
        trial("a_file_that_has_not_the_locked_hash_is_refused_by_name", wrong_hash),
        trial("a_file_that_has_not_the_locked_size_is_refused_by_name", wrong_size),
        trial("a_path_that_leaves_the_archive_is_refused_where_it_stands", outside_path),
        trial("a_lock_that_is_none_is_refused_where_it_ends_to_be_one", no_lock),
    ]
}

/// A workspace with all that comes before the packages, and the first package's block of its lock.
fn workspace() -> Result<(Workspace, String)> {
    let workspace = Workspace::new()?;
    undisturbed::take_programs(&workspace)?;
    let lock = workspace.read(SERVER_LOCK)?;
    let (_, packages) = lock.split_once("[[package]]").context("no package is locked")?;
    let first = packages.split("[[package]]").next().unwrap_or_default().to_owned();
    Ok((workspace, first))
}

/// The line of `block` that begins with `key`.
fn line<'a>(block: &'a str, key: &str) -> Result<&'a str> {
    block.lines().find(|line| line.starts_with(key)).with_context(|| format!("no {key}"))
}

/// What the tampered lock comes to; nothing may be left behind.
fn complaint(workspace: &Workspace) -> Result<String> {
    let lock = workspace.read(SERVER_LOCK)?;
    let text = workspace.run(["image", SERVER])?.failed()?;
    ensure!(workspace.read(SERVER_LOCK)? == lock, "the lock was changed");
    for stage in ["packages", "layer", "initramfs", "config", "disk"] {
        let left = results::finished(&workspace.stages(), stage)?;
        ensure!(left.is_empty(), "{left:?}");
        let left = results::unfinished(&workspace.stages(), stage)?;
        ensure!(left.is_empty(), "{left:?}");
    }
    ensure!(!workspace.target().join("heirloom/images").exists());
    Ok(text)
}

/// The name of the file that `block` is about.
fn file_name(block: &str) -> Result<&str> {
    let path = line(block, "path")?;
    Ok(path.rsplit('/').next().unwrap_or_default().trim_end_matches('"'))
}

fn wrong_hash() -> Result<()> {
    let (workspace, block) = workspace()?;
    let wrong = "0123456789abcdef".repeat(4);
    let right = line(&block, "sha256")?;
    let tampered = block.replace(right, &format!("sha256 = \"{wrong}\""));
    workspace.replace(SERVER_LOCK, &block, &tampered)?;
    let found = right.trim_start_matches("sha256 = ").trim_matches('"');
    let refused = format!("sent other bytes (sha256:{found})");
    has(&complaint(&workspace)?, &["caused by: no source has `", file_name(&block)?, &refused])?;
    let cache = store::Store::open(store::Options::from_environment()?)?;
    let digest = digest::Digest::from_hex(&wrong)?;
    ensure!(!cache.contains(digest), "a file is kept under a hash that it has not");
    Ok(())
}

fn wrong_size() -> Result<()> {
    let (workspace, block) = workspace()?;
    // The file itself is in the store, and is what the hash says.
    let cache = store::Store::open(store::Options::from_environment()?)?;
    let lock = lock::Lock::read(&workspace.root().join(SERVER_LOCK))?;
    let item = lock.items().into_iter().next().context("no package is locked")?;
    cache.fetch(std::slice::from_ref(&item))?;
    let tampered = block.replace(line(&block, "size")?, "size = 7");
    workspace.replace(SERVER_LOCK, &block, &tampered)?;
    let expected = ["caused by: no source has `", file_name(&block)?, "sent more than 7 bytes"];
    has(&complaint(&workspace)?, &expected)?;
    ensure!(cache.contains(item.digest), "a lock that is wrong removed a file from the store");
    Ok(())
}

fn outside_path() -> Result<()> {
    let lines = |text: &str| text.lines().count();
    for hostile in ["../../etc/shadow", "/etc/shadow", "pool/../../x.deb", "pool//x.deb", ""] {
        let (workspace, block) = workspace()?;
        let lock = workspace.read(SERVER_LOCK)?;
        let begin = lock.find(&block).context("no block")?;
        let path = line(&block, "path")?;
        let place = lines(&lock[..begin])..=lines(&lock[..begin]) + lines(&block);
        workspace.replace(SERVER_LOCK, path, &format!("path = \"{hostile}\""))?;
        let text = complaint(&workspace)?;
        let at = |line: &usize| text.contains(&format!("{SERVER_LOCK}:{line}:"));
        ensure!(place.clone().any(|line| at(&line)), "no place of {place:?} is in\n{text}");
    }
    Ok(())
}

fn no_lock() -> Result<()> {
    let (workspace, _) = workspace()?;
    let lock = workspace.read(SERVER_LOCK)?;
    // Cut in the middle, as by a disk that was full under another program.
    workspace.write(SERVER_LOCK, &lock[..lock.len() / 2])?;
    has(&complaint(&workspace)?, &["error: ", SERVER_LOCK])?;
    workspace.write(SERVER_LOCK, &lock.replace("version = 1", "version = 999"))?;
    has(&complaint(&workspace)?, &["error: ", SERVER_LOCK])
}
