//! The health check of the role `mariadb`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use health::{Failure, Report};

/// What is written when the server has started on the state: `10.11`.
const RECORD: &str = "/var/lib/mariadb-major/major";

/// The state is of this version of MariaDB, and the server answers.
pub fn check(report: &mut Report<'_>) {
    report.check("mariadb's data may be used", || health::unit("mariadb-major.service"));
    report.check("mariadb answers, and is of the state's version", || {
        is_of(&version()?, Path::new(RECORD))
    });
}

/// What the server says of itself to the ordinary client: `10.11.14-MariaDB-0+deb12u2`.
fn version() -> Result<String, Failure> {
    let output = Command::new("mariadb")
        .args(["--connect-timeout=10", "--batch", "--skip-column-names"])
        .args(["--execute", "SELECT VERSION()"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::other(format!("mariadb does not start: {error}")))?;
    let said = if output.status.success() { &output.stdout } else { &output.stderr };
    let said = String::from_utf8_lossy(said).trim().to_owned();
    if output.status.success() { Ok(said) } else { Err(Failure::other(said)) }
}

/// The release `version` is one of the recorded series.
fn is_of(version: &str, record: &Path) -> Result<(), Failure> {
    let recorded = fs::read_to_string(record)
        .map_err(|error| Failure::other(format!("{}: {error}", record.display())))?;
    let recorded = recorded.trim();
    match version.strip_prefix(recorded) {
        Some(rest) if rest.starts_with('.') && !recorded.is_empty() => Ok(()),
        _ => Err(Failure::other(format!(
            "the state is of MariaDB {recorded}, {version} runs: docs/how-to/mariadb.md"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_of_its_series_only() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("major");
        assert!(is_of("10.11.14-MariaDB", &record).is_err(), "nothing has started yet");
        fs::write(&record, "10.11\n").unwrap();
        is_of("10.11.14-MariaDB", &record).unwrap();
        for other in ["10.1.1-MariaDB", "11.8.2-MariaDB", "10.110.1", ""] {
            let failure = is_of(other, &record).unwrap_err().to_string();
            assert!(failure.contains("docs/how-to/mariadb.md"), "{failure}");
        }
        fs::write(&record, "\n").unwrap();
        assert!(is_of(".10", &record).is_err());
    }
}
