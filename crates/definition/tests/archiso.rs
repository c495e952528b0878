//! Servers out of archiso profiles: those below `archiso/`, laid out as archiso's own are, and
//! ones with mistakes or malice in them.
//!
//! `INSTA_UPDATE=always cargo test -p heirloom-definition` writes the expected texts anew.

#![cfg(test)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use definition::{Error, Kind, Left, Migration, Server, Workspace, from_archiso};
use jiff::civil::date;
use tempfile::TempDir;

const BASE: &str = "[packages]\ninstall = [\"systemd\"]\n";
const SSH: &str = "[packages.arch]\ninstall = [\"openssh\"]\n";
const BOARD: &str = "architecture = \"x86_64\"\nfirmware = [\"bios\"]\n[kernel.arch]\n\
                     packages = [\"linux\"]\n";

/// A workspace of the roles `base` and `ssh` and the board `pc`, and beside it a profile.
struct Fixture {
    dir: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        let members = "[workspace]\nresolver = \"3\"\nmembers = [\"roles/*\", \"servers/*\"]\n";
        fixture.write("work/Cargo.toml", members);
        // Cargo wants members where the workspace says that there are some.
        fixture.package("servers/other", "");
        fixture.role("base", "", BASE);
        fixture.role("ssh", "base = { path = \"../base\" }", SSH);
        fixture.package("roles/heirloom-health", "");
        fixture.write("work/boards/pc/board.toml", BOARD);
        let rootfs = "work/roles/base/rootfs/etc/systemd";
        fixture.write(&format!("{rootfs}/journald.conf.d/heirloom.conf"), "[Journal]\n");
        fixture.write(&format!("{rootfs}/network/80-dhcp.network"), "[Match]\n");
        fixture.link(
            &format!("{rootfs}/system/multi-user.target.wants/systemd-networkd.service"),
            "/usr/lib/systemd/system/systemd-networkd.service",
        );
        let resolv = "../run/systemd/resolve/stub-resolv.conf";
        fixture.link("work/roles/base/rootfs/etc/resolv.conf", resolv);
        let sshd = "work/roles/ssh/rootfs/etc/ssh/sshd_config.d/10-heirloom.conf";
        fixture.write(sshd, "PasswordAuthentication no\n");
        fixture
    }

    /// With a copy of a profile of `archiso/`.
    fn with(profile: &str) -> Self {
        let fixture = Self::new();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archiso").join(profile);
        let status =
            Command::new("cp").arg("-a").arg(from).arg(fixture.path("profile")).status().unwrap();
        assert!(status.success());
        fixture
    }

    /// With a profile that has what it must have.
    fn small() -> Self {
        let fixture = Self::new();
        fixture.write("profile/profiledef.sh", "pacman_conf=\"pacman.conf\"\n");
        fixture.write("profile/packages.x86_64", "base\n");
        fixture.write("profile/pacman.conf", "[core]\n[extra]\n");
        fixture
    }

    fn package(&self, path: &str, depends: &str) {
        let name = path.rsplit('/').next().unwrap();
        let toml = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [dependencies]\n{depends}\n"
        );
        self.write(&format!("work/{path}/Cargo.toml"), &toml);
        self.write(&format!("work/{path}/src/lib.rs"), "");
    }

    fn role(&self, name: &str, depends: &str, role: &str) {
        self.package(&format!("roles/{name}"), depends);
        self.write(&format!("work/roles/{name}/role.toml"), role);
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn workspace(&self) -> Workspace {
        Workspace::load(&self.path("work")).unwrap()
    }

    fn run(&self) -> Result<Migration, Error> {
        from_archiso(&self.workspace(), "live", &self.path("profile"), None, date(2026, 11, 22))
    }

    fn migrated(&self) -> Migration {
        self.run().unwrap_or_else(|error| panic!("{error}"))
    }

    fn toml(&self) -> String {
        fs::read_to_string(self.path("work/servers/live/server.toml")).unwrap()
    }

    /// The new server, read and composed as any other.
    fn server(&self) -> Server {
        self.workspace().server("live").unwrap_or_else(|error| panic!("{error}"))
    }

    /// What is said about a profile that is refused; nothing is left behind then.
    fn refused(&self) -> String {
        let error = self.run().expect_err("the profile is taken");
        assert!(!self.path("work/servers/live").exists(), "a server is left behind");
        assert!(!self.path("work/.new-live").exists(), "a half is left behind");
        let hint = error.hint().map(|hint| format!("\nhelp: {hint}")).unwrap_or_default();
        let text = format!("error: {error}{hint}");
        text.replace(&self.dir.path().display().to_string(), "")
    }
}

/// server.toml and everything that is said.
fn golden(fixture: &Fixture) -> String {
    let migration = fixture.migrated();
    let mut text = format!("{}\n", fixture.toml());
    for file in &migration.files {
        text += &format!("wrote {}\n", file.display());
    }
    for kind in Left::ALL {
        text += &format!("\n{}\n", kind.why());
        for left in migration.left_out.iter().filter(|left| left.kind == kind) {
            let place = left.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            text += &format!("  {}{place}\n", left.what);
        }
    }
    text += "\nto decide\n";
    for decision in &migration.to_decide {
        text += &format!("  {}: {}\n", decision.place, decision.message);
    }
    text
}

fn golden_settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archiso"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn the_layout_of_releng_becomes_a_server() {
    let fixture = Fixture::with("releng");
    golden_settings().bind(|| insta::assert_snapshot!("releng", golden(&fixture)));
    let server = fixture.server();
    let parts: Vec<&str> = server.parts.iter().map(|part| part.as_str()).collect();
    assert_eq!(parts, ["base", "ssh", "live"]);
    let entry = |path: &str| server.overlay.iter().find(|entry| entry.path.as_str() == path);
    let resolv = entry("/etc/resolv.conf").unwrap();
    assert_eq!(resolv.part.as_str(), "base", "the same symlink is the role's");
    let executable =
        |path: &str| matches!(entry(path).unwrap().kind, Kind::File { executable: true, .. });
    assert!(executable("/usr/local/bin/choose-mirror") && !executable("/root/.zlogin"));
}

#[test]
fn the_layout_of_baseline_becomes_a_server() {
    let fixture = Fixture::with("baseline");
    golden_settings().bind(|| insta::assert_snapshot!("baseline", golden(&fixture)));
    fixture.server();
}

#[test]
fn everything_of_a_profile_finds_its_place() {
    let fixture = Fixture::with("full");
    golden_settings().bind(|| insta::assert_snapshot!("full", golden(&fixture)));
    let server = fixture.server();
    let alice = server.users.iter().find(|user| user.name.as_str() == "alice").unwrap();
    assert_eq!(alice.groups.len(), 2);
    assert_eq!(server.kernel[0].as_str(), "linux-lts");
    let rootfs = fixture.path("work/servers/live/rootfs");
    let mode = |path: &str| rootfs.join(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("usr/local/bin/tool"), 0o755);
    assert_eq!(mode("etc/secret"), 0o644, "what git cannot carry is in [permissions]");
    assert_eq!(mode("etc/was-executable"), 0o644, "mkarchiso lays it so");
    let keys = fs::read_to_string(rootfs.join("etc/ssh/authorized_keys/root")).unwrap();
    assert_eq!(keys, "ssh-ed25519 AAAA root@example\n");
}

#[test]
fn the_day_is_asked_for_or_the_profiles_or_else_the_given_one() {
    let fixture = Fixture::small();
    assert_eq!(fixture.migrated().date, date(2026, 11, 22));

    let fixture = Fixture::small();
    let server = "[core]\nServer = https://archive.archlinux.org/repos/2026/03/04/$repo/os/$arch\n";
    fixture.write("profile/pacman.conf", server);
    let asked = |name, day| {
        let profile = fixture.path("profile");
        from_archiso(&fixture.workspace(), name, &profile, day, date(2026, 11, 22)).unwrap().date
    };
    assert_eq!(asked("one", None), date(2026, 3, 4));
    assert_eq!(asked("two", Some(date(2026, 5, 6))), date(2026, 5, 6));

    let fixture = Fixture::small();
    fixture.write("profile/pacman.conf", &server.replace("2026", "1999"));
    assert!(fixture.refused().starts_with("error: 1999-03-04 is before any dated archive begins"));
}

#[test]
fn mistakes_are_shown_where_they_are_and_nothing_is_written() {
    let mut text = String::new();
    let cases: [(&str, &str, Option<&str>); 21] = [
        ("no profile", "profiledef.sh", None),
        ("a condition", "profiledef.sh", Some("if true; then\n  arch=\"x86_64\"\nfi\n")),
        (
            "an array without end",
            "profiledef.sh",
            Some("file_permissions=(\n  [\"/a\"]=\"0:0:400\"\n"),
        ),
        ("a word without end", "profiledef.sh", Some("arch=\"x86_64\n")),
        ("a command where a value is needed", "profiledef.sh", Some("arch=\"$(uname -m)\"\n")),
        ("another architecture", "profiledef.sh", Some("arch='aarch64'\n")),
        ("a list where a word is needed", "profiledef.sh", Some("packages=(a b)\n")),
        ("packages elsewhere", "profiledef.sh", Some("packages=\"../work/Cargo.toml\"\n")),
        ("pacman.conf elsewhere", "profiledef.sh", Some("pacman_conf=/etc/passwd\n")),
        ("a directory in place of the list", "profiledef.sh", Some("packages=airootfs\n")),
        (
            "a path that leaves",
            "profiledef.sh",
            Some("file_permissions=([\"/etc/../../x\"]=\"0:0:400\")\n"),
        ),
        ("a relative path", "profiledef.sh", Some("file_permissions=([etc/x]=0:0:400)\n")),
        ("the whole root", "profiledef.sh", Some("file_permissions=([\"/\"]=\"0:0:755\")\n")),
        ("an entry without a path", "profiledef.sh", Some("file_permissions=(\"0:0:755\")\n")),
        (
            "an entry without a mode",
            "profiledef.sh",
            Some("file_permissions=([\"/etc/x\"]=\"0:0\")\n"),
        ),
        ("permissions of a word", "profiledef.sh", Some("file_permissions=\"0:0:755\"\n")),
        ("no names of packages", "packages.x86_64", Some("base # all\nfoo%bar\n  -x # no\n")),
        ("an unreadable passwd", "airootfs/etc/passwd", Some("root:x:0:0::/root:/bin/sh\nx:y\n")),
        ("an unreadable shadow", "airootfs/etc/shadow", Some("root:$y$hidden:1\n")),
        ("a user twice", "airootfs/etc/passwd", Some("a:x:1:1:::\na:x:2:2:::\n")),
        ("a file where a role has a directory", "airootfs/etc/systemd", Some("x")),
    ];
    for (name, file, content) in cases {
        let fixture = Fixture::small();
        fixture.write("profile/airootfs/srv/x", "x");
        match content {
            Some(content) => fixture.write(&format!("profile/{file}"), content),
            None => fs::remove_file(fixture.path(&format!("profile/{file}"))).unwrap(),
        }
        let refused = fixture.refused();
        assert!(!refused.contains("hidden"), "a password is shown");
        text += &format!("== {name}\n{refused}\n\n");
    }
    golden_settings().bind(|| insta::assert_snapshot!("mistakes", text));
}

impl Fixture {
    /// What somebody has to decide, one `place: message` a line.
    fn decided(&self) -> String {
        let said = self.migrated().to_decide;
        said.iter().map(|said| format!("{}: {}\n", said.place, said.message)).collect()
    }

    /// `[packages] install` of the new server.
    fn packages(&self) -> Vec<String> {
        let server = self.server();
        let roles = ["linux", "openssh", "systemd"];
        let packages = server.install.iter().map(ToString::to_string);
        packages.filter(|package| !roles.contains(&package.as_str())).collect()
    }
}

#[test]
fn what_lets_somebody_in_without_key_or_password_is_said() {
    let fixture = Fixture::small();
    let drop_in = "airootfs/etc/systemd/system/getty@tty1.service.d/autologin.conf";
    let unit =
        "[Service]\nExecStart=\nExecStart=-/usr/bin/agetty --noclear --autologin root - $TERM\n";
    fixture.write(&format!("profile/{drop_in}"), unit);
    fixture.write("profile/airootfs/etc/shadow", "root::14871::::::\n");
    fixture.write("profile/airootfs/etc/sudoers.d/live", "%wheel ALL=(ALL) NOPASSWD: ALL\n");
    fixture.link(
        "profile/airootfs/etc/systemd/system/sysinit.target.wants/debug-shell.service",
        "/usr/lib/systemd/system/debug-shell.service",
    );
    let said = fixture.decided();
    for part in [
        &format!("{drop_in}: is not taken: it logs somebody in at the console"),
        "debug-shell.service: is not taken: it enables a root shell",
        "airootfs/etc/sudoers.d/live: lets somebody become root without a password",
        "airootfs/etc/shadow:1: root has an empty password there and none on the server",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let rootfs = fixture.path("work/servers/live/rootfs");
    assert!(!rootfs.join("etc/systemd/system/getty@tty1.service.d").exists());
    assert!(rootfs.join("etc/sudoers.d/live").exists());
}

#[test]
fn a_list_that_a_script_makes_is_read_or_said() {
    // The one list that there is.
    let fixture = Fixture::small();
    fixture.write("profile/packages_desktop.x86_64", "nginx\n");
    fixture.write(
        "profile/build.sh",
        "#!/bin/sh\n# >packages.x86_64\ncp packages_desktop.x86_64 packages.x86_64\n",
    );
    fs::remove_file(fixture.path("profile/packages.x86_64")).unwrap();
    let said = fixture.decided();
    assert!(
        said.contains("packages_desktop.x86_64:1: is read in place of `packages.x86_64`"),
        "{said}"
    );
    assert!(said.contains("build.sh:3: is not run: it may change `packages.x86_64`"), "{said}");
    assert!(!said.contains("build.sh:2"), "{said}");
    assert_eq!(fixture.packages(), ["nginx"]);

    // Several, of which nobody knows what is meant.
    let fixture = Fixture::small();
    fixture.write("profile/packages.both", "nginx\n");
    fixture.write("profile/packages.extra", "git\n");
    fs::remove_file(fixture.path("profile/packages.x86_64")).unwrap();
    let said = fixture.decided();
    let part =
        "no package is taken: add to server.toml what is meant of packages.both, packages.extra";
    assert!(said.contains(part), "{said}");
    assert!(fixture.packages().is_empty());

    // None at all, nor a pacman.conf.
    let fixture = Fixture::small();
    fs::remove_file(fixture.path("profile/packages.x86_64")).unwrap();
    fs::remove_file(fixture.path("profile/pacman.conf")).unwrap();
    let said = fixture.decided();
    assert!(said.contains("no package is taken: run what makes it"), "{said}");
    assert!(said.contains("profiledef.sh:1: `pacman.conf` is not there"), "{said}");

    // A list that a script adds to.
    let fixture = Fixture::small();
    fixture.write("profile/Makefile", "all:\n\techo git >> packages.x86_64\n");
    let said = fixture.decided();
    assert!(said.contains("Makefile:2: is not run: it may change `packages.x86_64`"), "{said}");
}

#[test]
fn packages_that_name_a_repository_are_taken_from_it_or_said() {
    let fixture = Fixture::small();
    let list = "core/linux\nextra/nginx\ncommunity/htop\nchaotic-aur/yay\nextra/git=2.44.0-1\n";
    fixture.write("profile/packages.x86_64", list);
    let said = fixture.decided();
    assert!(
        said.contains("packages.x86_64:4: yay is left out: it is to come from `chaotic-aur`"),
        "{said}"
    );
    assert_eq!(fixture.packages(), ["git=2.44.0-1", "htop/extra", "nginx/extra"]);

    // Before it became a part of extra.
    let fixture = Fixture::small();
    let server = "Server = https://archive.archlinux.org/repos/2022/03/04/$repo/os/$arch";
    fixture.write("profile/pacman.conf", &format!("[core]\n{server}\n[extra]\n[community]\n"));
    fixture.write("profile/packages.x86_64", "community/htop\n");
    fixture.migrated();
    assert_eq!(fixture.packages(), ["htop/community"]);
}

#[test]
fn lists_are_read_as_people_write_them() {
    let fixture = Fixture::small();
    let list = "\u{feff}hunspell-en_US\r\n# all\r\ngit nginx # two\r\n\tWIREGUARD-MODULE\t#one\r\n\r\nlibsigc++\nr8168_x@1.0";
    fixture.write("profile/packages.x86_64", list);
    fixture.migrated();
    let expected =
        ["WIREGUARD-MODULE", "git", "hunspell-en_US", "libsigc++", "nginx", "r8168_x@1.0"];
    assert_eq!(fixture.packages(), expected);
}

#[test]
fn nothing_is_read_or_written_through_a_symlink() {
    // Files that are to be read.
    for file in ["packages.x86_64", "profiledef.sh", "airootfs/etc/passwd", "airootfs/etc/hostname"]
    {
        let fixture = Fixture::small();
        fixture.write("outside", "secret\n");
        let _ = fs::remove_file(fixture.path(&format!("profile/{file}")));
        fixture.link(&format!("profile/{file}"), &fixture.path("outside").display().to_string());
        let text = fixture.refused();
        assert!(text.contains("leads out of the profile") && !text.contains("secret"), "{text}");
    }

    // Symlinks that lead out are data.
    let fixture = Fixture::small();
    fixture.link("profile/airootfs/etc/a", "/etc/shadow");
    fixture.link("profile/airootfs/etc/b", "../../../../../..");
    fixture.link("profile/airootfs/srv", &fixture.path("outside").display().to_string());
    fs::create_dir(fixture.path("outside")).unwrap();
    fixture.write("outside/x", "secret");
    fixture.migrated();
    let rootfs = fixture.path("work/servers/live/rootfs");
    assert_eq!(fs::read_link(rootfs.join("etc/a")).unwrap(), Path::new("/etc/shadow"));
    assert_eq!(fs::read_link(rootfs.join("etc/b")).unwrap(), Path::new("../../../../../.."));
    assert!(rootfs.join("srv").symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read_dir(fixture.path("outside")).unwrap().count(), 1);

    // A symlink where the server itself lays something: its keys would go elsewhere.
    let fixture = Fixture::small();
    fs::create_dir(fixture.path("outside")).unwrap();
    fixture.link("profile/airootfs/etc/ssh", &fixture.path("outside").display().to_string());
    fixture.write("profile/airootfs/root/.ssh/authorized_keys", "ssh-ed25519 AAAA x\n");
    let text = fixture.refused();
    assert!(text.contains("`/etc/ssh` is no directory here"), "{text}");
    assert_eq!(fs::read_dir(fixture.path("outside")).unwrap().count(), 0);

    // All of airootfs elsewhere.
    let fixture = Fixture::small();
    fixture.write("outside/etc/x", "secret");
    fixture.link("profile/airootfs", &fixture.path("outside").display().to_string());
    let migration = fixture.migrated();
    assert!(!fixture.path("work/servers/live/rootfs/etc/x").exists());
    assert!(migration.to_decide.iter().any(|decision| decision.message.contains("no directory")));
}

#[test]
fn what_cannot_be_laid_is_said_and_left_out() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let fixture = Fixture::small();
    let airootfs = fixture.path("profile/airootfs");
    fs::create_dir_all(airootfs.join("etc")).unwrap();
    fs::create_dir_all(airootfs.join("srv/empty")).unwrap();
    fs::write(airootfs.join("etc").join(OsStr::from_bytes(b"\xff")), "").unwrap();
    fs::write(airootfs.join("etc/a\x1bb"), "").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(airootfs.join("etc/socket")).unwrap();
    symlink(OsStr::from_bytes(b"\xfe"), airootfs.join("etc/link")).unwrap();
    for path in ["bin/x", "run/x", "state/x", "boot/x", "var/log/x", "etc/pacman.d/gnupg/x"] {
        fixture.write(&format!("profile/airootfs/{path}"), "x");
    }
    let migration = fixture.migrated();
    let rootfs: Vec<_> = migration.files.iter().filter(|file| file.starts_with("rootfs")).collect();
    assert_eq!(rootfs, [Path::new("rootfs/etc/ssh/authorized_keys/root")]);
    let said: String =
        migration.to_decide.iter().map(|d| format!("{}: {}\n", d.place, d.message)).collect();
    golden_settings().bind(|| insta::assert_snapshot!("not-laid", said));
    fixture.server();
}

#[test]
fn a_name_that_is_taken_is_refused_before_the_profile_is_read() {
    let fixture = Fixture::new();
    let run = |name| {
        let none = fixture.path("none");
        from_archiso(&fixture.workspace(), name, &none, None, date(2026, 11, 22)).unwrap_err()
    };
    assert!(matches!(run("other"), Error::Name { .. }));
    assert!(matches!(run("../x"), Error::Name { .. }));
    assert!(matches!(run("free"), Error::NoProfile { .. }));
}
