//! The health check of mailserver: mail is taken and can be read.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
        report.check("smtp greets", || health::greeting("127.0.0.1:25", "220 "));
        report.check("submission greets", || health::greeting("127.0.0.1:587", "220 "));
        report.check("imap greets", || health::greeting("127.0.0.1:143", "* OK"));
        report.check("imaps is there", || health::tcp("127.0.0.1:993"));
    })
}
