//! The health check of the role `ssh`.

use health::Report;

/// sshd answers.
pub fn check(report: &mut Report<'_>) {
    report.check("ssh answers", || health::greeting("127.0.0.1:22", "SSH-2.0"));
}
