//! The script that compares major versions, on state and a server that are made up.

#![cfg(test)]

use std::fs;
use std::process::Command;

use tempfile::TempDir;

const SCRIPT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/rootfs.debian/usr/lib/mariadb-role/major");

const REFUSED: &str = "mariadb: the state is of MariaDB 10.11, this generation has 11.8: not \
                       started. Go back to a generation with 10.11, and there \
                       `/usr/lib/mariadb-role/major move 11.8`: docs/how-to/mariadb.md\n";

/// A server: its state, and those programs of MariaDB that the script runs.
struct Server(TempDir);

impl Server {
    fn new() -> Self {
        let server = Self(tempfile::tempdir().unwrap());
        for folder in ["data", "state"] {
            fs::create_dir(server.0.path().join(folder)).unwrap();
        }
        server.program("mariadb-dump", "echo '-- all that there is'");
        server
    }

    /// Written by another process: no other test's fork can have it open while it is run.
    fn program(&self, name: &str, command: &str) {
        let text = format!("#!/bin/sh\n{command}\n");
        let written = Command::new("sh")
            .args(["-c", "printf '%s' \"$1\" >\"$0\" && chmod 755 \"$0\""])
            .args([self.0.path().join(name).as_os_str(), text.as_ref()])
            .status();
        assert!(written.unwrap().success());
    }

    /// The image has the server of `series`.
    fn image(&self, series: &str) -> &Self {
        let says = format!("mariadbd  Ver {series}.14-MariaDB-0+deb12u2 for debian-linux-gnu");
        self.program("mariadbd", &format!("echo '{says} on x86_64 (Debian 12)'"));
        self
    }

    fn write(&self, path: &str, line: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{line}\n")).unwrap();
        self
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap_or_default()
    }

    /// What the script says when it fails.
    fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let own = self.0.path();
        let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
        let output = Command::new("sh")
            .arg(SCRIPT)
            .args(arguments)
            .env("PATH", path)
            .env("MARIADB_DATA", own.join("data"))
            .env("MARIADB_STATE", own.join("state"))
            .env("MARIADB_SERVER", own.join("mariadbd"))
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8(output.stderr).unwrap())
    }

    /// The server starts, and what has to be there is made as at first boot.
    fn start(&self, series: &str) -> Result<(), String> {
        self.image(series).run(&["check"])?;
        self.write("data/mysql/db.frm", "").run(&["started"])
    }
}

#[test]
fn what_has_started_is_recorded_and_another_version_is_refused_in_both_directions() {
    let server = Server::new();
    server.start("10.11").unwrap();
    assert_eq!(server.read("state/major"), "10.11\n");
    server.start("10.11").unwrap();
    assert_eq!(server.image("11.8").run(&["check"]).unwrap_err(), REFUSED);
    let older = server.image("10.6").run(&["check"]).unwrap_err();
    assert!(older.contains("is of MariaDB 10.11, this generation has 10.6"), "{older}");
    assert_eq!(server.read("state/major"), "10.11\n");
}

#[test]
fn files_without_a_record_count_too_and_unfinished_ones_do_not() {
    let server = Server::new();
    server.write("data/mysql/db.frm", "").write("data/mysql_upgrade_info", "10.11.14-MariaDB");
    assert_eq!(server.image("11.8").run(&["check"]).unwrap_err(), REFUSED);
    server.image("10.11").run(&["check"]).unwrap();
    server.write("data/.first-boot/half", "").image("11.8").run(&["check"]).unwrap();
    // The record of a data directory that was removed says nothing.
    let server = Server::new();
    server.write("state/major", "10.11").image("11.8").run(&["check"]).unwrap();
}

#[test]
fn a_move_lets_one_version_upgrade_and_none_come_back() {
    let server = Server::new();
    assert!(server.image("10.11").run(&["move", "11.8"]).is_err(), "there is nothing to dump");
    server.start("10.11").unwrap();
    for wrong in ["10.11", "", "11", "11.8.1", ".8", "11.", "11.8/x"] {
        let said = server.run(&["move", wrong]).unwrap_err();
        assert!(said.contains("move TO: another series"), "{wrong}: {said}");
    }
    server.program("mariadb-dump", "echo half; exit 1");
    assert!(server.run(&["move", "11.8"]).is_err());
    assert_eq!(server.image("11.8").run(&["check"]).unwrap_err(), REFUSED);

    server.program("mariadb-dump", "echo '-- all that there is'");
    server.image("10.11").run(&["move", "11.8"]).unwrap();
    assert_eq!(server.read("state/dump.sql"), "-- all that there is\n");
    // Restarted before the new generation came.
    server.start("10.11").unwrap();
    assert!(server.image("12.3").run(&["check"]).is_err());
    server.start("11.8").unwrap();
    assert_eq!((server.read("state/major"), server.read("state/to")), ("11.8\n".into(), "".into()));
    assert!(server.image("10.11").run(&["check"]).unwrap_err().contains("is of MariaDB 11.8"));
}

#[test]
fn an_image_that_does_not_say_its_version_is_refused() {
    let server = Server::new();
    assert!(server.run(&["check"]).is_err(), "there is no server");
    server.program("mariadbd", "echo broken");
    assert!(server.run(&["check"]).unwrap_err().contains("does not say its version"));
    for wrong in [&[][..], &["move"], &["check", "it"], &["other"]] {
        let said = server.image("10.11").run(wrong).unwrap_err();
        assert!(said.starts_with("major check, "), "{said}");
    }
}
