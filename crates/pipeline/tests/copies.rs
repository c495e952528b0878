//! The copy of a workspace that `verify` builds in.

#![cfg(test)]

use std::fs;
use std::path::Path;
use std::process::Command;

use definition::Workspace;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What git ignores, the copy could not know: there is no repository around it.
#[test]
fn a_copy_has_the_locks_and_nothing_else_that_git_ignores() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("workspace");
    write(&root, "Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"servers/*\"]\n");
    let manifest = "[package]\nname = \"web\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    write(&root, "servers/web/Cargo.toml", manifest);
    write(&root, "servers/web/src/main.rs", "fn main() {}");
    write(&root, "servers/web/server.toml", "");
    write(&root, ".gitignore", "*~\n*.lock\n/out\n");
    let status = Command::new("git").arg("-C").arg(&root).args(["init", "-q"]).status().unwrap();
    assert!(status.success());
    let kept = ["Cargo.lock", "tools.lock", "servers/web/server.lock", "servers/web/rootfs/etc/a"];
    let left_out = ["servers/web/rootfs/etc/a~", "servers/web/src/main.rs~", "out/b", "other.lock"];
    for path in kept.iter().chain(&left_out) {
        write(&root, path, "");
    }
    let copy = folder.path().join("copy");
    pipeline::copy_workspace(&Workspace::load(&root).unwrap(), &copy).unwrap();
    for path in kept {
        assert!(copy.join(path).exists(), "{path}");
    }
    for path in left_out.into_iter().chain([".git"]) {
        assert!(!copy.join(path).exists(), "{path}");
    }
}
