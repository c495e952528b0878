//! Files beside a definition that it names.

use super::*;

const FINGERPRINT: &str = "0123456789ABCDEF0123456789ABCDEF01234567";
/// What begins as a package of Debian does.
const DEB: &str = "!<arch>\ndebian-binary   1790000000  0     0     100644  4         `\n2.0\n";

fn with_files(files: &str) -> TempDir {
    let dir = workspace();
    write(&dir, "servers/web/server.toml", &format!("{SERVER}[packages]\nfiles = [{files}]\n"));
    dir
}

fn with_extra(key: &str) -> TempDir {
    let dir = workspace();
    let extra = format!(
        "[[archive.extra]]\nname = \"acme\"\nurl = \"https://deb.example.org\"\nsuite = \"stable\"\n\
         key = \"{key}\"\nfingerprint = \"{FINGERPRINT}\"\npackages = [\"nginx\"]\n"
    );
    write(&dir, "servers/web/server.toml", &format!("{SERVER}{extra}"));
    dir
}

#[test]
fn package_files_of_servers_and_roles_are_known_by_their_bytes() {
    let dir = with_files("\"pkgs/own_1.0_all.deb\"");
    write(&dir, "servers/web/pkgs/own_1.0_all.deb", DEB);
    let role = "[packages.debian]\nfiles = [\"b_1_all.deb\"]\n[packages.arch]\nfiles = [\"c.pkg.tar.zst\"]\n";
    write(&dir, "roles/base/role.toml", role);
    write(&dir, "roles/base/b_1_all.deb", DEB);
    let server = load(&dir).server("web").unwrap();
    let found: Vec<_> =
        server.own.iter().map(|own| (own.path.to_str().unwrap(), own.part.as_str())).collect();
    assert_eq!(
        found,
        [("roles/base/b_1_all.deb", "base"), ("servers/web/pkgs/own_1.0_all.deb", "web")]
    );
    assert_eq!(server.own[1].size, DEB.len() as u64);
    let before = server.own[1].sha256;
    write(&dir, "servers/web/pkgs/own_1.0_all.deb", &format!("{DEB}x"));
    assert_ne!(load(&dir).server("web").unwrap().own[1].sha256, before);
}

#[test]
fn a_repository_s_key_is_read_from_beside_server_toml() {
    let dir = with_extra("keys/acme.asc");
    write(&dir, "servers/web/keys/acme.asc", "a key");
    let server = load(&dir).server("web").unwrap();
    let [extra] = &*server.archive.extras else { panic!("{:?}", server.archive.extras) };
    assert_eq!((extra.name.as_str(), &*extra.key), ("acme", &b"a key"[..]));
    assert_eq!(extra.components[0].as_str(), "main");
}

#[test]
fn a_package_may_be_asked_for_from_a_repository_by_its_name() {
    let dir = with_extra("acme.asc");
    write(&dir, "servers/web/acme.asc", "a key");
    let role = |suite: &str| format!("[packages]\ninstall = [\"tool/{suite}\"]\n");
    write(&dir, "roles/base/role.toml", &role("acme"));
    let server = load(&dir).server("web").unwrap();
    assert!(server.install.iter().any(|request| request.to_string() == "tool/acme"));
    let asked = server.asked.iter().find(|(name, _)| name.as_str() == "tool").unwrap().1;
    assert_eq!(
        (asked.part.as_str(), asked.origin.to_string()),
        ("base", "roles/base/role.toml:2:12".to_owned())
    );
    write(&dir, "roles/base/role.toml", &role("other"));
    assert!(complaint(&dir).contains("`other`, which is no part of [archive]"));
}

#[test]
fn a_file_that_is_missing_or_of_another_kind_is_an_error_with_its_place() {
    let dir = with_files("\"pkgs/own_1.0_all.deb\"");
    let place = "servers/web/server.toml:9:10";
    let refused = |why: &str| {
        let text = complaint(&dir);
        assert!(text.contains(place) && text.contains(why), "{why}: {text}");
    };
    refused("there is no file");
    write(&dir, "servers/web/pkgs/own_1.0_all.deb", "");
    refused("has 0 bytes");
    write(&dir, "servers/web/pkgs/own_1.0_all.deb", "words");
    refused("is not a package of Debian");
    fs::remove_dir_all(dir.path().join("servers/web/pkgs")).unwrap();
    write(&dir, "servers/web/pkgs/own_1.0_all.deb/x", DEB);
    refused("is not a file");

    let dir = with_files("\"own-1-1-any.pkg.tar.zst\"");
    write(&dir, "servers/web/own-1-1-any.pkg.tar.zst", "\u{28}");
    assert!(complaint(&dir).contains("is not a package of Debian"));
    let dir = with_extra("keys/acme.asc");
    assert!(complaint(&dir).contains("there is no file `keys/acme.asc`"));
}

#[test]
fn no_symlink_leads_out_of_the_definition() {
    let elsewhere = tempfile::tempdir().unwrap();
    write(&elsewhere, "own_1.0_all.deb", DEB);
    let dir = with_files("\"pkgs/own_1.0_all.deb\"");
    symlink(elsewhere.path(), dir.path().join("servers/web/pkgs")).unwrap();
    assert!(complaint(&dir).contains("leads over a symlink"));
    fs::remove_file(dir.path().join("servers/web/pkgs")).unwrap();
    fs::create_dir(dir.path().join("servers/web/pkgs")).unwrap();
    let link = dir.path().join("servers/web/pkgs/own_1.0_all.deb");
    symlink(elsewhere.path().join("own_1.0_all.deb"), link).unwrap();
    assert!(complaint(&dir).contains("leads over a symlink"));
    let dir = with_extra("acme.asc");
    symlink("/etc/passwd", dir.path().join("servers/web/acme.asc")).unwrap();
    assert!(complaint(&dir).contains("leads over a symlink"));
}

#[test]
fn a_file_that_git_ignores_is_nobody_else_s() {
    let dir = with_files("\"own_1.0_all.deb\"");
    git(dir.path(), 1_500_000_000, &["init", "-q"]);
    write(&dir, ".gitignore", "*.deb\n");
    write(&dir, "servers/web/own_1.0_all.deb", DEB);
    commit(&dir, 1_600_000_000, "README.md", "x");
    assert!(complaint(&dir).contains("git ignores `own_1.0_all.deb`"));
    git(dir.path(), 1_600_000_001, &["add", "-f", "servers/web/own_1.0_all.deb"]);
    assert!(load(&dir).server("web").is_ok());
}
