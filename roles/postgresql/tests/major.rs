//! The script that compares major versions, on state and programs that are made up.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const SCRIPT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/rootfs.debian/usr/lib/postgresql-role/major");

const WHOLE: &str = "CREATE ROLE postgres;\nCREATE ROLE davical;\n\
                     --\n-- PostgreSQL database cluster dump complete\n--\n";

/// A server: its state, and PostgreSQL's programs, of which those that the script runs only write
/// down what they were given.
struct Server(TempDir);

impl Server {
    fn new() -> Self {
        let server = Self(tempfile::tempdir().unwrap());
        for folder in ["state", "programs", "path"] {
            fs::create_dir(server.path(folder)).unwrap();
        }
        // Its arguments: -u postgres -- PROGRAM ...
        let runuser = "#!/bin/sh\nshift 3\ncase $1 in\npsql) cat >>\"$RESTORED\" ;;\n\
                       pg_dumpall) printf '%s' \"$DUMP\" ;;\nesac\n";
        server.program("path/runuser", runuser);
        server.boot("first");
        server
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn state(&self, path: &str) -> PathBuf {
        self.path("state").join(path)
    }

    /// Written by another process: no other test's fork can have it open while it is run.
    fn program(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let written = Command::new("sh")
            .args(["-c", "printf '%s' \"$1\" >\"$0\" && chmod 755 \"$0\""])
            .args([path.as_os_str(), text.as_ref()])
            .status();
        assert!(written.unwrap().success());
    }

    /// The image has the server of `version`.
    fn image(&self, version: &str) -> &Self {
        fs::remove_dir_all(self.path("programs")).unwrap();
        self.program(&format!("programs/{version}/bin/postgres"), "");
        self
    }

    /// The state has a cluster of `version`.
    fn cluster(&self, version: &str) -> &Self {
        self.write(&format!("{version}/main/PG_VERSION"), version)
    }

    fn write(&self, path: &str, line: &str) -> &Self {
        let path = self.state(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{line}\n")).unwrap();
        self
    }

    fn boot(&self, id: &str) -> &Self {
        fs::write(self.path("boot"), format!("{id}\n")).unwrap();
        self
    }

    /// What the script says when it fails.
    fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let path = format!("{}:{}", self.path("path").display(), std::env::var("PATH").unwrap());
        let output = Command::new("sh")
            .arg(SCRIPT)
            .args(arguments)
            .env("PATH", path)
            .env("POSTGRESQL_STATE", self.path("state"))
            .env("POSTGRESQL_PROGRAMS", self.path("programs"))
            .env("BOOT_ID", self.path("boot"))
            .env("RESTORED", self.path("restored"))
            .env("DUMP", WHOLE)
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8(output.stderr).unwrap())
    }

    /// The server starts, and what has to be there is made as at first boot.
    fn start(&self, version: &str) -> Result<(), String> {
        self.image(version).run(&["check"])?;
        self.cluster(version).run(&["started"])
    }

    fn refused(&self, version: &str) -> String {
        let before = self.listing();
        let refused = self.image(version).run(&["check"]).unwrap_err();
        assert_eq!(self.listing(), before, "what was refused was changed");
        refused
    }

    fn major(&self) -> String {
        fs::read_to_string(self.state("major")).unwrap()
    }

    fn listing(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, all: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, all);
                }
                all.push(path);
            }
        }
        let mut all = Vec::new();
        walk(&self.path("state"), &mut all);
        all.sort();
        all
    }
}

#[test]
fn what_has_started_is_recorded_and_another_version_is_refused_in_both_directions() {
    let server = Server::new();
    assert!(server.image("15").run(&["started"]).is_err(), "there is no cluster");
    server.start("15").unwrap();
    assert_eq!(server.major(), "15\n");
    server.start("15").unwrap();
    assert_eq!(
        server.refused("17"),
        "postgresql: the state is of PostgreSQL 15, this generation has 17: not started. Go back to \
         a generation with 15, and there `/usr/lib/postgresql-role/major move 17`: \
         docs/how-to/postgresql.md\n"
    );
    assert!(server.refused("13").contains("the state is of PostgreSQL 15, this generation has 13"));
    server.start("15").unwrap();
}

#[test]
fn clusters_without_a_record_count_too() {
    let server = Server::new();
    server.cluster("15");
    assert!(server.refused("17").contains("is of PostgreSQL 15"));
    server.cluster("17");
    server.image("17").run(&["check"]).unwrap();
    server.image("15").run(&["check"]).unwrap();
    server.write("major", "17");
    assert!(server.refused("15").contains("is of PostgreSQL 17"));
}

#[test]
fn an_image_with_several_versions_or_none_is_refused() {
    let server = Server::new();
    assert!(server.run(&["check"]).unwrap_err().contains("no server"));
    server.image("15").program("programs/17/bin/postgres", "");
    assert!(server.run(&["check"]).unwrap_err().contains("several versions: 15, "));
    for wrong in [&[][..], &["move"], &["check", "it"], &["other"]] {
        let said = server.image("15").run(wrong).unwrap_err();
        assert!(said.starts_with("major check, "), "{said}");
    }
}

#[test]
fn a_move_begins_with_the_dump_and_may_go_back_until_it_has_started_twice() {
    let server = Server::new();
    assert!(server.image("15").run(&["move", "17"]).is_err(), "there is nothing to dump");
    server.start("15").unwrap();
    for wrong in ["15", "", "17/..", "x"] {
        assert!(server.run(&["move", wrong]).is_err(), "{wrong}");
    }
    server.run(&["move", "17"]).unwrap();
    assert!(server.refused("18").contains("move 18"));

    // A try that the power ended: its files are gone when the cluster is made.
    server.write("17/main/half", "").image("17").run(&["check"]).unwrap();
    assert!(!server.state("17/main/half").exists());
    server.start("17").unwrap();
    assert_eq!(server.major(), "17\n");
    let restored = fs::read_to_string(server.path("restored")).unwrap();
    assert_eq!(restored, WHOLE.replace("CREATE ROLE postgres;\n", ""));

    // Its trial failed. What is written on the old one now is not in the dump.
    server.boot("second").start("15").unwrap();
    assert_eq!(server.major(), "15\n");
    assert!(server.refused("17").contains("move 17"));

    server.run(&["check"]).unwrap_err();
    server.image("15").run(&["move", "17"]).unwrap();
    server.boot("third").start("17").unwrap();
    // Restarted by hand.
    server.start("17").unwrap();
    assert!(server.state("move").exists());
    server.boot("fourth").start("17").unwrap();
    assert!(!server.state("move").exists() && server.state("15/main").exists());
    assert!(server.refused("15").contains("is of PostgreSQL 17"));
}

#[test]
fn a_dump_that_is_not_whole_is_not_restored() {
    let server = Server::new();
    server.start("15").unwrap();
    server.run(&["move", "17"]).unwrap();
    server.write("move/dump.sql", "CREATE ROLE postgres;");
    assert!(server.start("17").unwrap_err().contains("dump.sql is not whole"));
    assert_eq!(server.major(), "15\n");
}
