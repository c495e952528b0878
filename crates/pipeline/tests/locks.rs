//! The locks that are kept beside the definitions of this workspace.

#![cfg(test)]

use std::path::Path;

use pipeline::{Options, Session, locking};

/// A lock that answers another question is made anew by whoever builds the server next, and README
/// and `server.digest` name a generation that nobody gets.
#[test]
fn every_lock_answers_what_its_definition_asks() {
    let options = Options { offline: true, ..Options::default() };
    let session = Session::open(Path::new(env!("CARGO_MANIFEST_DIR")), &options).unwrap();
    let mut answered = 0;
    for name in session.workspace.servers() {
        let server = session.workspace.server(name).unwrap();
        if server.lock_path().exists() {
            let current = locking::current(&session.store, &server, true);
            current.unwrap_or_else(|error| panic!("{name}: {error}"));
            answered += 1;
        }
    }
    assert!(answered >= 4, "only {answered} servers have a lock");
}
