//! `clean`: what no lock names goes, what any workspace's lock names stays.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use digest::Digest;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::trial;
use crate::workspace::{Ran, Workspace, has};

pub(crate) fn all() -> Vec<Trial> {
    vec![trial("what_no_lock_of_any_workspace_names_is_collected", collected)]
}

/// Puts a file into the store of a cache, under any name.
fn put(cache: &Path, digest: Digest) -> Result<PathBuf> {
    let hex = digest.hex();
    let path = cache.join("store/sha256").join(&hex[..2]).join(&hex);
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::write(&path, vec![0; 100_000])?;
    Ok(path)
}

/// The first package of a server's lock.
fn locked(workspace: &Workspace, server: &str) -> Result<Digest> {
    let lock = lock::Lock::read(&workspace.root().join(format!("servers/{server}/server.lock")))?;
    Ok(lock.packages.first().context("a package")?.sha256)
}

fn collected() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let clean = |workspace: &Workspace, more: &[&str]| -> Result<Ran> {
        let arguments = ["clean", "--json"].iter().chain(more);
        Ok(workspace.xtask(arguments).env("HEIRLOOM_CACHE", cache.path()).output()?.into())
    };
    let (one, other) = (Workspace::new()?, Workspace::new()?);
    let ours = put(cache.path(), locked(&one, "webserver")?)?;
    let nobodys = put(cache.path(), Digest::of(b"no package"))?;
    let root = cache.path().join("tools/image-000000000000/usr");
    fs::create_dir_all(&root)?;
    // Of two workspaces only the other one has a server that needs this file.
    let theirs = put(cache.path(), Digest::of(b"theirs"))?;
    let lock = "servers/webserver/server.lock";
    let digest = locked(&other, "webserver")?;
    other.replace(lock, &digest.hex(), &Digest::of(b"theirs").hex())?;
    clean(&other, &["--dry-run"])?.succeeded()?;

    let before: Value = clean(&one, &["--dry-run"])?.json()?;
    ensure!(before["removed"] == false && nobodys.exists() && root.exists(), "{before}");
    let packages = &before["caches"][0];
    ensure!(
        packages["name"] == "packages" && before["workspaces"].as_array().map(Vec::len) == Some(2)
    );
    let bytes = |field: &str| packages[field].as_u64().unwrap_or_default();
    ensure!((100_000..150_000).contains(&bytes("unneeded_bytes")), "{before}");
    ensure!(bytes("bytes") > 300_000, "{before}");

    // A lock that cannot be read may name anything.
    other.write(lock, "version = ")?;
    let refused = clean(&one, &[])?.failed()?;
    has(&refused, &["what the workspace `", "server.lock:1:", "help: mend it, or remove `"])?;
    ensure!(nobodys.exists());

    other.write(lock, &one.read(lock)?.replace(&digest.hex(), &Digest::of(b"theirs").hex()))?;
    clean(&one, &[])?.succeeded()?;
    ensure!(ours.exists() && theirs.exists() && !nobodys.exists() && !root.exists());

    // A workspace that is gone needs nothing.
    drop(other);
    clean(&one, &[])?.succeeded()?;
    ensure!(ours.exists() && !theirs.exists());
    Ok(())
}
