//! Boot control: which generation the bootloader starts next, and how that changes without a
//! moment at which the server could not boot.
//!
//! One generation is the *default*. Another may be *armed*: it is started at the next boot, once.
//! The bootloader takes the mark away before it starts the kernel, so whatever happens then, a
//! reset returns to the default. A generation that proves healthy is *confirmed*: it becomes the
//! default.
//!
//! ```text
//!            arm                    boot                   confirm
//! default ────────► default, armed ──────► default, on trial ──────► new default
//!                        │ disarm              │ any reset
//!                        ▼                     ▼
//!                     default               default
//! ```
//!
//! [`BootControl`] is implemented for [`SystemdBoot`] and [`Syslinux`]; a board with U-Boot will be
//! a third. They say what is to be written and in which order; [`Partition`] writes, each operation
//! durable before the next begins. [`BootPartition`] puts together the bootloader that starts this
//! machine, others that the same disk can be started by, and the kernels that they share.
//!
//! ```text
//! heirloom/linux-<12 digits>     kernels and initramfs, by their digests: equal ones are there once
//! heirloom/initrd-<12 digits>
//! loader/entries/*.conf          systemd-boot
//! heirloom/*.cfg, ldlinux.sys    syslinux
//! ```
//!
//! Invariants, whenever the power fails: the default's entry, kernel and initramfs are whole;
//! nothing is armed whose entry, kernel and initramfs are not.

mod control;
mod editing;
mod entry;
mod error;
mod kernels;
pub mod mirrored;
#[cfg(feature = "model")]
pub mod model;
mod mounted;
pub mod partition;
pub mod syslinux;
pub mod systemd_boot;

pub use control::{BootControl, Boots};
pub use editing::Editing;
pub use entry::{Entry, initramfs_path, kernel_path};
pub use error::{Error, Result};
pub use kernels::BootPartition;
pub use mirrored::Mirrored;
pub use mounted::Mounted;
pub use partition::Partition;
pub use syslinux::Syslinux;
pub use systemd_boot::SystemdBoot;
