//! The program: one job in, one answer out.

#![cfg(test)]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use jiff::civil::date;
use lock::job::{Failure, Job, Order};
use lock::{Lock, Request, debian};

fn run(input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_heirloom-archive"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn without_a_job_it_says_so_and_answers_nothing() {
    for input in ["", "{}", "lock mailserver"] {
        let output = run(input.as_bytes());
        assert_eq!(output.status.code(), Some(1), "{input:?}");
        assert!(output.stdout.is_empty(), "{input:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("standard input has no job"), "{said}");
    }
}

#[test]
fn a_request_that_cannot_be_resolved_is_answered_by_why() {
    let cache = tempfile::tempdir().unwrap();
    let request = Request::Debian(debian::Request::new("bookworm", "amd64", date(2026, 11, 22)));
    let order = Order {
        store: store::Options::bare(cache.path()),
        console: progress::Settings::default(),
        job: Job::Resolve { subject: "mailserver".to_owned(), request, previous: None },
    };
    let output = run(&serde_json::to_vec(&order).unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Result<Lock, Failure> = serde_json::from_slice(&output.stdout).unwrap();
    let failure = answer.unwrap_err();
    assert!(failure.to_string().starts_with("cannot fetch "), "{failure}");
    let cause = std::error::Error::source(&failure).unwrap().to_string();
    assert!(cause.contains("no source"), "{cause}");
}
