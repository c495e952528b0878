//! What matters of the kernel's own parameters. What to boot is [`generation::cmdline`]'s.

/// Whether a panic reboots the machine: `panic=` with anything but 0
/// (Documentation/admin-guide/kernel-parameters.txt). The last of several counts.
pub(crate) fn panic_reboots(cmdline: &str) -> bool {
    let mut values = cmdline.split_ascii_whitespace().filter_map(|w| w.strip_prefix("panic="));
    values
        .next_back()
        .and_then(|seconds| seconds.parse().ok())
        .is_some_and(|seconds: i32| seconds != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_reboots_only_when_asked_to() {
        assert!(panic_reboots("quiet panic=10\n"));
        assert!(panic_reboots("panic=-1"));
        assert!(!panic_reboots("panic=0"));
        assert!(!panic_reboots("oops=panic quiet"));
        assert!(!panic_reboots("panic=10 panic=0"));
        assert!(!panic_reboots(""));
    }
}
