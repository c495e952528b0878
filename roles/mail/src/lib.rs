//! The health check of the role `mail`.

use health::Report;

/// Mail is taken and can be read.
pub fn check(report: &mut Report<'_>) {
    report.check("smtp greets", || health::greeting("127.0.0.1:25", "220 "));
    report.check("submission greets", || health::greeting("127.0.0.1:587", "220 "));
    report.check("imap greets", || health::greeting("127.0.0.1:143", "* OK"));
    report.check("imaps is there", || health::tcp("127.0.0.1:993"));
}
