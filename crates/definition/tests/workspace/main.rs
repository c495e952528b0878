//! Workspaces on disk: Cargo's graph, what `rootfs/` may hold, new servers, and what git knows.

#![cfg(test)]

mod beside;
mod ignored;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use definition::{Error, Kind, Workspace, new_server};
use jiff::civil::date;
use tempfile::TempDir;

const SERVER: &str = "hostname = \"web\"\nboard = \"pc\"\n[archive]\ndistribution = \"debian\"\n\
                      suite = \"bookworm\"\npockets = [\"backports\"]\ndate = \"2026-11-22\"\n";
const BOARD: &str = "architecture = \"x86_64\"\nfirmware = [\"bios\"]\n[kernel.debian]\n\
                     packages = [\"linux-image-cloud-amd64\"]\n";

/// A workspace of the roles `base` and `ssh`, the server `web` made of them, and the board `pc`.
fn workspace() -> TempDir {
    workspace_in(tempfile::tempdir().unwrap())
}

fn workspace_in(dir: TempDir) -> TempDir {
    write(
        &dir,
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"roles/*\", \"servers/*\"]\n",
    );
    package(&dir, "roles/base", "base", "");
    write(&dir, "roles/base/role.toml", "[packages]\ninstall = [\"systemd\"]\n");
    package(&dir, "roles/ssh", "ssh", "base = { path = \"../base\" }");
    write(&dir, "roles/ssh/role.toml", "");
    package(&dir, "servers/web", "web", "ssh = { path = \"../../roles/ssh\" }");
    write(&dir, "servers/web/server.toml", SERVER);
    write(&dir, "boards/pc/board.toml", BOARD);
    dir
}

fn package(dir: &TempDir, path: &str, name: &str, dependencies: &str) {
    let text = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\n{dependencies}\n"
    );
    write(dir, &format!("{path}/Cargo.toml"), &text);
    write(dir, &format!("{path}/src/lib.rs"), "");
}

fn write(dir: &TempDir, path: &str, text: &str) {
    let path = dir.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load(dir: &TempDir) -> Workspace {
    Workspace::load(dir.path()).unwrap()
}

fn parts(dir: &TempDir) -> Vec<String> {
    let server = load(dir).server("web").unwrap();
    server.parts.iter().map(ToString::to_string).collect()
}

fn complaint(dir: &TempDir) -> String {
    load(dir).server("web").unwrap_err().to_string()
}

#[test]
fn roles_are_the_ordinary_dependencies_that_have_a_role() {
    let dir = workspace();
    assert_eq!(parts(&dir), ["base", "ssh", "web"]);

    // Through a crate that is no role; but not through what only tests need.
    package(&dir, "roles/code", "code", "more = { path = \"../more\" }");
    package(&dir, "roles/more", "more", "");
    write(&dir, "roles/more/role.toml", "");
    package(&dir, "roles/fake", "fake", "");
    write(&dir, "roles/fake/role.toml", "");
    let dependencies = "code = { path = \"../../roles/code\" }\n[dev-dependencies]\n\
                        fake = { path = \"../../roles/fake\" }";
    package(&dir, "servers/web", "web", dependencies);
    assert_eq!(parts(&dir), ["more", "web"]);
}

#[test]
fn a_role_may_lie_outside_the_workspace() {
    let dir = workspace();
    let outside = tempfile::tempdir().unwrap();
    package(&outside, "mine", "mine", "");
    write(&outside, "mine/role.toml", "");
    let path = outside.path().join("mine");
    package(&dir, "servers/web", "web", &format!("mine = {{ path = {path:?} }}"));
    assert_eq!(parts(&dir), ["mine", "web"]);
}

#[test]
fn mistyped_names_of_servers_and_boards_get_a_hint() {
    let dir = workspace();
    let error = load(&dir).server("wbe").unwrap_err();
    assert!(matches!(&error, Error::NoServer { .. }), "{error}");
    assert_eq!(error.hint().unwrap(), "did you mean `web`?");

    write(&dir, "servers/web/server.toml", &SERVER.replace("\"pc\"", "\"pcc\""));
    let error = load(&dir).server("web").unwrap_err();
    insta::assert_snapshot!(format!("{error}\nhelp: {}", error.hint().unwrap()), @r#"
    there is no board `pcc`
     --> servers/web/server.toml:2:9
      |
    2 | board = "pcc"
      |         ^^^^^
    help: did you mean `pc`?
    "#);
}

#[test]
fn mistakes_in_all_files_are_reported_at_once() {
    let dir = workspace();
    write(&dir, "roles/base/role.toml", "[pakages]\n");
    write(&dir, "roles/ssh/role.toml", "[state]\nx = \"y\"\n");
    write(&dir, "boards/pc/board.toml", &BOARD.replace("bios", "boot"));
    let text = complaint(&dir);
    for file in ["roles/base/role.toml:1:2", "roles/ssh/role.toml:2:1", "boards/pc/board.toml:2:13"]
    {
        assert!(text.contains(file), "{file} is not in:\n{text}");
    }
}

#[test]
fn a_symlink_is_laid_as_a_symlink_wherever_it_leads() {
    let dir = workspace();
    let rootfs = dir.path().join("servers/web/rootfs");
    fs::create_dir_all(rootfs.join("etc")).unwrap();
    symlink("/etc/shadow", rootfs.join("etc/a")).unwrap();
    symlink("../../../../..", rootfs.join("etc/b")).unwrap();
    symlink("nowhere", rootfs.join("etc/c")).unwrap();
    let server = load(&dir).server("web").unwrap();
    let laid: Vec<_> = server.overlay.iter().map(|e| (e.path.as_str(), e.kind.clone())).collect();
    let link = |target: &str| Kind::Symlink { target: target.into() };
    assert_eq!(
        laid,
        [
            ("/etc", Kind::Directory),
            ("/etc/a", link("/etc/shadow")),
            ("/etc/b", link("../../../../..")),
            ("/etc/c", link("nowhere")),
        ]
    );
}

#[test]
fn of_a_files_mode_the_owners_execute_bit_counts() {
    let dir = workspace();
    for (name, mode) in [("a", 0o600), ("b", 0o700), ("c", 0o4655), ("d", 0o711)] {
        write(&dir, &format!("servers/web/rootfs/opt/{name}"), "x");
        let path = dir.path().join("servers/web/rootfs/opt").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let server = load(&dir).server("web").unwrap();
    let bits: Vec<bool> = server
        .overlay
        .iter()
        .filter_map(|entry| match entry.kind {
            Kind::File { executable, .. } => Some(executable),
            _ => None,
        })
        .collect();
    assert_eq!(bits, [false, true, false, true]);
}

#[test]
fn what_cannot_be_laid_is_refused_with_its_path() {
    let dir = workspace();
    let rootfs = dir.path().join("servers/web/rootfs");
    fs::create_dir_all(rootfs.join("srv/empty")).unwrap();
    fs::create_dir_all(rootfs.join("etc")).unwrap();
    fs::write(rootfs.join("etc").join(OsStr::from_bytes(b"\xff")), "").unwrap();
    fs::write(rootfs.join("etc/a\nb"), "").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(rootfs.join("etc/socket")).unwrap();
    write(&dir, "servers/web/rootfs/lib/x", "");
    write(&dir, "servers/web/rootfs/run/x", "");
    let text = complaint(&dir);
    for part in [
        "this directory is empty\n --> servers/web/rootfs/srv/empty",
        "this name cannot be laid\n --> servers/web/rootfs/etc/",
        "`/etc/socket` is neither file, directory nor symlink",
        "`/lib/x` lies below `/lib`, a symlink to `/usr/lib`",
        "`/run/x` lies below `/run`, which is mounted anew at every boot",
        "6 mistakes",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }

    fs::remove_dir_all(&rootfs).unwrap();
    symlink("/etc", &rootfs).unwrap();
    assert!(complaint(&dir).contains("`rootfs` is not a directory"));
}

#[test]
fn a_new_server_can_be_composed_as_it_is() {
    let dir = workspace();
    package(&dir, "roles/health", "heirloom-health", "");
    let (path, files) = new_server(&load(&dir), "my_server", date(2026, 11, 22)).unwrap();
    assert_eq!(path, dir.path().canonicalize().unwrap().join("servers/my_server"));
    assert!(files.iter().all(|file| file.is_file()) && files.len() == 4);

    let workspace = load(&dir);
    assert_eq!(workspace.servers(), ["my_server", "web"]);
    let server = workspace.server("my_server").unwrap();
    assert_eq!(server.hostname.as_str(), "my-server");
    assert_eq!(server.archive.date, date(2026, 11, 22));
    let parts: Vec<&str> = server.parts.iter().map(|part| part.as_str()).collect();
    assert_eq!(parts, ["base", "ssh", "my_server"]);
    assert_eq!(workspace.summaries().len(), 2);
}

#[test]
fn a_new_server_takes_no_other_ones_place_and_no_impossible_name() {
    let dir = workspace();
    package(&dir, "roles/health", "heirloom-health", "");
    let workspace = load(&dir);
    fs::create_dir(dir.path().join("servers/taken")).unwrap();
    for name in ["", "web", "base", "taken", "../x", "a/b", "Web", "fn", "test", "1a", "a b"] {
        assert!(new_server(&workspace, name, date(2026, 11, 22)).is_err(), "{name}");
    }
    fs::remove_dir(dir.path().join("servers/taken")).unwrap();
    assert_eq!(load(&dir).servers(), ["web"]);
}

/// A git repository, whose commits have the dates that they are given.
fn git(dir: &Path, seconds: u64, arguments: &[&str]) {
    let date = format!("{seconds} +0100");
    let status = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .env("GIT_COMMITTER_DATE", &date)
        .env("GIT_AUTHOR_DATE", "1000000000 +0000")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}");
}

fn commit(dir: &TempDir, seconds: u64, path: &str, text: &str) {
    write(dir, path, text);
    git(dir.path(), seconds, &["add", "-A"]);
    git(dir.path(), seconds, &["commit", "-q", "-m", "x"]);
}

fn epoch(dir: &TempDir) -> u64 {
    let workspace = load(dir);
    let server = workspace.server("web").unwrap();
    workspace.epoch(&server, None, date(2026, 11, 22)).unwrap().seconds()
}

#[test]
fn the_epoch_is_the_last_commit_to_what_the_server_is_made_of() {
    let dir = workspace();
    let midnight = 1_795_305_600;
    assert_eq!(epoch(&dir), midnight, "outside git it is the day of the lock");
    git(dir.path(), 1_500_000_000, &["init", "-q"]);
    assert_eq!(epoch(&dir), midnight, "and before the first commit too");

    commit(&dir, 1_600_000_000, "README.md", "x");
    assert_eq!(epoch(&dir), 1_600_000_000);
    for (seconds, path) in [
        (1_600_000_001, "servers/web/rootfs/etc/motd"),
        (1_600_000_002, "roles/base/rootfs/etc/issue"),
        (1_600_000_003, "boards/pc/notes"),
        (1_600_000_004, "servers/web/server.lock"),
        (1_600_000_005, "tools.lock"),
    ] {
        commit(&dir, seconds, path, "x");
        assert_eq!(epoch(&dir), seconds, "{path}");
    }
    for path in
        ["README.md", "servers/web/server.digest", "servers/web/tests/boot.rs", "roles/x/role.toml"]
    {
        if path == "roles/x/role.toml" {
            package(&dir, "roles/x", "x", "");
        }
        commit(&dir, 1_700_000_000, path, "changed");
        assert_eq!(epoch(&dir), 1_600_000_005, "{path}");
    }
}

#[test]
fn a_shallow_clone_is_refused_and_says_how_to_go_on() {
    let dir = workspace();
    git(dir.path(), 1_500_000_000, &["init", "-q"]);
    commit(&dir, 1_600_000_000, "a", "a");
    commit(&dir, 1_600_000_001, "b", "b");
    let clone = tempfile::tempdir().unwrap();
    let from = format!("file://{}", dir.path().display());
    git(clone.path(), 1_500_000_000, &["clone", "-q", "--depth", "1", &from, "."]);
    let workspace = load(&clone);
    let server = workspace.server("web").unwrap();
    let error = workspace.epoch(&server, None, date(2026, 11, 22)).unwrap_err();
    assert!(matches!(error, Error::Shallow { .. }));
    assert!(error.hint().unwrap().contains("--unshallow"));
    let set = workspace.epoch(&server, Some("1700000000"), date(2026, 11, 22)).unwrap();
    assert_eq!(set.seconds(), 1_700_000_000);
}
