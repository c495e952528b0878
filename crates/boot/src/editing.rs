//! Who may change a kernel's command line before it starts.

/// Whether whoever is at the console may, and so be root without a password. It is said by a file of
/// systemd-boot that is written with the image, and never again. syslinux cannot refuse it: its
/// prompt takes options behind a label with `ALLOWOPTIONS 0` too (6.04, tried).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Editing {
    /// A generation can be chosen, and nothing else.
    #[default]
    Refused,
    /// Nobody is kept from it.
    Allowed,
}
