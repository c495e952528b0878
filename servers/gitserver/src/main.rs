//! The health check of gitserver: repositories can be reached over ssh and http.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
        report.check("nginx runs", || health::unit("nginx.service"));
        report.check("http is there", || health::tcp("127.0.0.1:80"));
        report.check("git over http is ready", || health::unit("fcgiwrap.socket"));
    })
}
