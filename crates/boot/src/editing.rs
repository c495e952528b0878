//! Who may change a kernel's command line before it starts.

/// Whether whoever is at the console may, and so be root without a password. It is said by files of
/// a bootloader that are written with the image, and never again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Editing {
    /// A generation can be chosen, and nothing else.
    #[default]
    Refused,
    /// Nobody is kept from it.
    Allowed,
}
