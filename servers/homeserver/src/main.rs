//! The health check of homeserver.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
        mail::check(report);
        report.check("nginx runs", || health::unit("nginx.service"));
        report.check("http is there", || health::tcp("127.0.0.1:80"));
    })
}
