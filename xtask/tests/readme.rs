//! README says what is: the mail server's definition, and the digest that a reader gets.

#![cfg(test)]

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

#[test]
fn the_mail_server_is_shown_in_full() {
    assert!(read("README.md").contains(&read("servers/mailserver/server.toml")));
}

#[test]
fn the_digest_is_the_recorded_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/mailserver/server.digest");
    let record = pipeline::Record::read(&path).unwrap().unwrap();
    let digest = record.generation.to_string();
    assert!(read("README.md").contains(&digest), "README does not state {digest}");
}
