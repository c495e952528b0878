//! The health check of a server of nothing but MariaDB.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
        mariadb::check(report);
    })
}
