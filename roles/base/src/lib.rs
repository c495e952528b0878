//! The health check of the role `base`.

use health::Report;

/// The network is there and managed, and the journal is kept.
pub fn check(report: &mut Report<'_>) {
    for unit in ["systemd-networkd.service", "systemd-resolved.service", "systemd-journald.service"]
    {
        report.check(unit, || health::unit(unit));
    }
    report.check("network", health::network);
}
