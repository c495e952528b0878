//! Checks over TCP.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::Failure;

/// How long one connection, one read or one write may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A first line longer than this (bytes) is no greeting.
const LONGEST_LINE: u64 = 1024;

/// How much of a wrong answer is shown, in characters.
const SHOWN: usize = 120;

/// Something accepts connections at `address` (`127.0.0.1:25`, `[::1]:80`, `localhost:22`).
pub fn tcp(address: &str) -> Result<(), Failure> {
    connect(address).map(drop)
}

/// The service at `address` speaks first and its first line begins with `prefix`: `220 ` for SMTP
/// (RFC 5321, 4.2), `* OK` for IMAP (RFC 9051, 7.1), `SSH-2.0` for SSH (RFC 4253, 4.2).
pub fn greeting(address: &str, prefix: &str) -> Result<(), Failure> {
    let line = first_line(address, &connect(address)?)?;
    if line.starts_with(prefix) {
        return Ok(());
    }
    Err(Failure::Answer { address: address.into(), expected: prefix.into(), answer: line })
}

/// A web server at `address` answers a GET of `path` with a status from 200 to 299.
pub fn http(address: &str, path: &str) -> Result<(), Failure> {
    let mut stream = connect(address)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(network(address, "write to"))?;
    let line = first_line(address, &stream)?;
    match status(&line) {
        Some(200..=299) => Ok(()),
        _ => Err(Failure::Answer {
            address: address.into(),
            expected: format!("a status from 200 to 299 for {path}"),
            answer: line,
        }),
    }
}

/// The status code of a status line (RFC 9112, 4).
fn status(line: &str) -> Option<u16> {
    let (version, rest) = line.split_once(' ')?;
    let code = rest.split(' ').next()?;
    if !version.starts_with("HTTP/") || code.len() != 3 {
        return None;
    }
    code.parse().ok()
}

fn connect(address: &str) -> Result<TcpStream, Failure> {
    let resolved = address
        .to_socket_addrs()
        .map_err(|source| Failure::Address { address: address.into(), source: Some(source) })?;
    let mut last = Failure::Address { address: address.into(), source: None };
    for one in resolved {
        match TcpStream::connect_timeout(&one, PATIENCE) {
            Ok(stream) => {
                stream
                    .set_read_timeout(Some(PATIENCE))
                    .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
                    .map_err(network(address, "set a timeout for"))?;
                return Ok(stream);
            }
            Err(source) => last = network(address, "connect to")(source),
        }
    }
    Err(last)
}

fn first_line(address: &str, stream: &TcpStream) -> Result<String, Failure> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST_LINE))
        .read_until(b'\n', &mut line)
        .map_err(network(address, "read from"))?;
    let text = String::from_utf8_lossy(&line);
    Ok(text.trim_end().chars().filter(|c| !c.is_control()).take(SHOWN).collect())
}

fn network<'a>(address: &'a str, action: &'static str) -> impl Fn(io::Error) -> Failure + 'a {
    move |source| Failure::Network { address: address.into(), action, source }
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn a_status_line_gives_its_code_and_nothing_else_does() {
        assert_eq!(status("HTTP/1.1 204 No Content"), Some(204));
        assert_eq!(status("HTTP/1.0 500"), Some(500));
        for line in ["", "HTTP/1.1", "220 mail ESMTP", "HTTP/1.1 20 OK", "HTTP/1.1 2OO OK"] {
            assert_eq!(status(line), None, "{line}");
        }
    }
}
