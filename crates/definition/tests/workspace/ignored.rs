//! What git ignores is not part of a server.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;

/// [`workspace`] with a commit, and an editor's copy of a file that git ignores.
fn with_editors_copy() -> TempDir {
    let dir = workspace();
    git(dir.path(), 1_500_000_000, &["init", "-q"]);
    write(&dir, ".gitignore", "*~\n/target\n");
    write(&dir, "servers/web/rootfs/etc/nginx/nginx.conf", "new");
    commit(&dir, 1_600_000_000, "README.md", "x");
    write(&dir, "servers/web/rootfs/etc/nginx/nginx.conf~", "old");
    dir
}

fn laid(dir: &TempDir) -> Vec<String> {
    let server = load(dir).server("web").unwrap();
    let files = server.overlay.into_iter().filter(|entry| !entry.kind.is_directory());
    files.map(|entry| entry.path.to_string()).collect()
}

fn left_out(dir: &TempDir) -> Vec<String> {
    let workspace = load(dir);
    let found: BTreeSet<PathBuf> = workspace.left_out("web", &[]).unwrap();
    let within =
        |path: &PathBuf| path.strip_prefix(workspace.root()).unwrap().display().to_string();
    found.iter().map(within).collect()
}

#[test]
fn an_editors_copy_that_git_ignores_is_not_laid_and_is_listed() {
    let dir = with_editors_copy();
    let bytes = || load(&dir).server("web").unwrap().definition_bytes;
    assert_eq!(laid(&dir), ["/etc/nginx/nginx.conf"]);
    assert_eq!(left_out(&dir), ["servers/web/rootfs/etc/nginx/nginx.conf~"]);
    let with = bytes();
    fs::remove_file(dir.path().join("servers/web/rootfs/etc/nginx/nginx.conf~")).unwrap();
    assert_eq!((bytes(), left_out(&dir)), (with, vec![]));
}

#[test]
fn roles_directories_and_sources_of_programs_are_asked_for_too() {
    let dir = with_editors_copy();
    for path in [
        "roles/base/rootfs/etc/motd~",
        "roles/ssh/rootfs.debian/etc/cache/a~",
        "roles/ssh/rootfs.debian/etc/cache/b/c~",
        "servers/web/src/lib.rs~",
        // Neither laid nor compiled.
        "servers/web/notes~",
        "target/x",
    ] {
        write(&dir, path, "x");
    }
    let server = load(&dir).server("web").unwrap();
    let paths: Vec<_> = server.overlay.iter().map(|entry| entry.path.as_str()).collect();
    // A directory in which git ignores everything is in nobody else's clone.
    assert_eq!(paths, ["/etc", "/etc/nginx", "/etc/nginx/nginx.conf"]);
    let found = left_out(&dir);
    for path in ["roles/base/rootfs", "roles/ssh/rootfs.debian", "servers/web/src/lib.rs~"] {
        assert!(found.iter().any(|found| found.starts_with(path)), "{path}: {found:?}");
    }
    assert!(!found.iter().any(|found| found.contains("notes") || found.contains("target")));
    let ignored = load(&dir);
    let ignored = ignored.ignored().unwrap();
    assert!(ignored.has(&dir.path().join("target")) && ignored.has(&dir.path().join("target/x")));
}

#[test]
fn what_is_tracked_or_only_not_committed_is_laid() {
    let dir = with_editors_copy();
    write(&dir, "servers/web/rootfs/etc/kept~", "x");
    git(dir.path(), 1_600_000_001, &["add", "-f", "servers/web/rootfs/etc/kept~"]);
    write(&dir, "servers/web/rootfs/etc/new", "x");
    assert_eq!(laid(&dir), ["/etc/kept~", "/etc/new", "/etc/nginx/nginx.conf"]);
}

#[test]
fn excludes_of_the_clone_count_as_git_counts_them() {
    let dir = with_editors_copy();
    write(&dir, ".git/info/exclude", "*.bak\n");
    write(&dir, "servers/web/rootfs/etc/a.bak", "x");
    assert_eq!(laid(&dir), ["/etc/nginx/nginx.conf"]);
}

#[test]
fn a_server_that_git_ignores_altogether_is_whole() {
    let dir = with_editors_copy();
    write(&dir, ".gitignore", "*~\n/servers\n");
    git(dir.path(), 1_600_000_001, &["rm", "-rq", "--cached", "servers"]);
    commit(&dir, 1_600_000_002, "README.md", "y");
    assert_eq!(laid(&dir), ["/etc/nginx/nginx.conf", "/etc/nginx/nginx.conf~"]);
    assert!(!load(&dir).ignored().unwrap().has(&dir.path().join("servers")));
}

#[test]
fn a_workspace_in_a_directory_that_git_ignores_is_whole() {
    let around = with_editors_copy();
    let above = around.path().join("target/tmp");
    fs::create_dir_all(&above).unwrap();
    let dir = workspace_in(tempfile::tempdir_in(above).unwrap());
    write(&dir, "servers/web/rootfs/etc/motd~", "x");
    assert_eq!((laid(&dir), left_out(&dir)), (vec!["/etc/motd~".to_owned()], vec![]));
}

#[test]
fn a_role_in_a_repository_of_its_own_is_asked_for_there() {
    let dir = with_editors_copy();
    git(&dir.path().join("roles/base"), 1_500_000_000, &["init", "-q"]);
    write(&dir, "roles/base/.gitignore", "*.orig\n");
    write(&dir, "roles/base/rootfs/etc/a.orig", "x");
    write(&dir, "roles/base/rootfs/etc/b~", "x");
    assert_eq!(laid(&dir), ["/etc/b~", "/etc/nginx/nginx.conf"]);
    assert_eq!(left_out(&dir).len(), 2);
}

#[test]
fn without_a_repository_nothing_is_ignored() {
    let dir = with_editors_copy();
    fs::remove_dir_all(dir.path().join(".git")).unwrap();
    assert_eq!(laid(&dir), ["/etc/nginx/nginx.conf", "/etc/nginx/nginx.conf~"]);
    assert_eq!(left_out(&dir), [""; 0]);
}

#[test]
fn a_repository_that_git_does_not_know_is_an_error_with_its_place() {
    let dir = workspace();
    fs::create_dir(dir.path().join(".git")).unwrap();
    let error = load(&dir).server("web").unwrap_err();
    assert!(matches!(&error, Error::GitIgnored { dir: at, .. } if at == dir.path()), "{error}");
}

/// Set in the process that has no git.
const WITHOUT_GIT: &str = "HEIRLOOM_TEST_WITHOUT_GIT";

#[test]
fn a_repository_and_no_git_is_an_error_with_its_place() {
    if std::env::var_os(WITHOUT_GIT).is_none() {
        let name = "ignored::a_repository_and_no_git_is_an_error_with_its_place";
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", name]).env(WITHOUT_GIT, "1").env("PATH", "/nonexistent");
        let output = again.env("CARGO", env!("CARGO")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let dir = workspace();
    assert!(load(&dir).server("web").is_ok(), "nobody needs git outside of a repository");
    fs::create_dir(dir.path().join(".git")).unwrap();
    let error = load(&dir).server("web").unwrap_err();
    assert!(matches!(&error, Error::NoGitIgnored { dir: at, .. } if at == dir.path()), "{error}");
    assert!(error.hint().unwrap().contains("install git"));
}
