//! The health check of calendar: DAViCal answers through nginx, its database is there.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
        postgresql::check(report);
        report.check("DAViCal's tables are there", || health::unit("davical-schema.service"));
        report.check("PHP runs", || health::unit("php8.2-fpm.service"));
        report.check("nginx runs", || health::unit("nginx.service"));
        report.check("https is there", || health::tcp("127.0.0.1:443"));
        report.check("DAViCal reaches its database", || health::http("127.0.0.1:8080", "/"));
    })
}
