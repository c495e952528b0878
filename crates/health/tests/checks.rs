//! The checks against services on the loopback, well and unwell.

#![cfg(test)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use health::{Failure, Report};

/// A service that says `answer` to one caller, after it has read a request if it `listens`.
fn service(answer: &'static [u8], listens: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        if listens {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
        }
        stream.write_all(answer).unwrap();
    });
    address
}

/// An address where nothing listens: it was free a moment ago.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_listening_port_is_healthy_and_a_closed_one_is_not() {
    assert!(health::tcp(&service(b"", false)).is_ok());
    let address = nobody();
    let failure = health::tcp(&address).unwrap_err().to_string();
    assert!(failure.contains("connect") && failure.contains(&address), "{failure}");
}

#[test]
fn a_greeting_is_compared_at_its_beginning() {
    assert!(health::greeting(&service(b"220 mail ESMTP\r\n", false), "220 ").is_ok());
    assert!(health::greeting(&service(b"SSH-2.0-OpenSSH\r\n", false), "SSH-").is_ok());
    let failure = health::greeting(&service(b"421 too busy\r\n", false), "220 ").unwrap_err();
    let failure = failure.to_string();
    assert!(failure.contains("421 too busy") && failure.contains("220 "), "{failure}");
}

#[test]
fn a_service_that_says_nothing_or_noise_is_not_healthy() {
    for answer in [&b""[..], b"\x1b[2J\xff\xfe", &[b'x'; 5000]] {
        let failure = health::greeting(&service(answer, false), "220 ").unwrap_err().to_string();
        assert!(!failure.contains('\x1b') && failure.len() < 400, "{failure}");
    }
}

#[test]
fn a_web_page_is_healthy_when_its_status_says_so() {
    assert!(health::http(&service(b"HTTP/1.1 200 OK\r\n\r\nhello", true), "/").is_ok());
    let address = service(b"HTTP/1.1 502 Bad Gateway\r\n\r\n", true);
    let failure = health::http(&address, "/page").unwrap_err().to_string();
    assert!(failure.contains("502") && failure.contains("/page"), "{failure}");
}

#[test]
fn an_address_without_a_port_is_named() {
    let failure = health::tcp("127.0.0.1").unwrap_err();
    assert!(matches!(failure, Failure::Address { .. }), "{failure}");
}

#[test]
fn a_unit_that_does_not_run_is_named() {
    let failure = health::unit("no-such-unit.service").unwrap_err().to_string();
    assert!(failure.contains("no-such-unit.service"), "{failure}");
}

#[test]
fn a_report_runs_every_check_and_is_healthy_only_if_all_are() {
    let mut lines = Vec::new();
    let mut report = Report::new(&mut lines);
    report.check("first", || Ok(()));
    assert!(report.is_healthy());
    report.check("second", || Err(Failure::other("the disk is full")));
    report.check("third", || Ok(()));
    assert!(!report.is_healthy());
    let text = String::from_utf8(lines).unwrap();
    assert_eq!(text, "ok first\nnot ok second: the disk is full\nok third\n");
}
