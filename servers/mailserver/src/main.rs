//! The health check of mailserver.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
        mail::check(report);
    })
}
