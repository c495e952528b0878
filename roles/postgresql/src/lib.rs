//! The health check of the role `postgresql`.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use health::{Failure, Report};

const SOCKET: &str = "/run/postgresql/.s.PGSQL.5432";

/// What the server writes when it has started on the state: `15`.
const RECORD: &str = "/var/lib/postgresql/major";

/// Its folders are the major versions that the image has.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// The state is of this version of PostgreSQL, and the server answers.
pub fn check(report: &mut Report<'_>) {
    report.check("postgresql's version is the state's", || {
        major(Path::new(RECORD), Path::new(PROGRAMS))
    });
    report.check("postgresql's cluster may be used", || health::unit("postgresql-major.service"));
    report.check("postgresql answers", || answers(Path::new(SOCKET)));
}

/// The version that is recorded with the state is one that the image has.
fn major(record: &Path, programs: &Path) -> Result<(), Failure> {
    let recorded = fs::read_to_string(record)
        .map_err(|error| Failure::other(format!("{}: {error}", record.display())))?;
    let recorded = recorded.trim();
    let number = !recorded.is_empty() && recorded.bytes().all(|byte| byte.is_ascii_digit());
    if number && programs.join(recorded).is_dir() {
        return Ok(());
    }
    Err(Failure::other(format!(
        "the state is of PostgreSQL {recorded}, which this generation does not have: \
         docs/how-to/postgresql.md"
    )))
}

/// The server answers the request for TLS that a client may begin with: by a byte, on a local
/// socket always `N` (PostgreSQL's documentation, "Message Flow", "SSL Session Encryption").
fn answers(socket: &Path) -> Result<(), Failure> {
    let address = || socket.display().to_string();
    let failure = |action| move |source| Failure::Network { address: address(), action, source };
    let mut stream = UnixStream::connect(socket).map_err(failure("connect"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failure("read"))?;
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).map_err(failure("write"))?;
    let mut answer = [0];
    stream.read_exact(&mut answer).map_err(failure("read"))?;
    if answer == *b"N" {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    Err(Failure::Answer { address: address(), expected: "N".to_owned(), answer })
}

#[cfg(test)]
mod tests;
