//! The health check of webserver: pages are served.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
        report.check("nginx runs", || health::unit("nginx.service"));
        // Not a GET of `/`: what is published, if anything, is not ours to judge.
        report.check("http is there", || health::tcp("127.0.0.1:80"));
    })
}
