//! The health check of a server of nothing but databases.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
        mariadb::check(report);
        postgresql::check(report);
    })
}
