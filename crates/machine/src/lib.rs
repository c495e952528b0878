//! QEMU as a test machine: an image is started as it is, never changed, and driven through its
//! serial console, its ports and its power button.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let qemu = sandbox::ToolRoot::at("/");
//! use std::time::Duration;
//! use machine::{Firmware, Machine};
//!
//! let machine = Machine::new(&qemu).disk("mailserver.img").firmware(Firmware::Uefi).forward(25);
//! let mut running = machine.start()?;
//! running.console().wait_for("login:", Duration::from_secs(120))?;
//! let smtp = running.port(25)?;
//! running.kill();                     // a power cut: what was written stays
//! let running = machine.start()?;     // the same disk again
//! running.power_off(Duration::from_secs(60))?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Machine`] is hardware: its disk is a qcow2 overlay over the image and lives as long as the
//! machine and all that was started from it. A [`Running`] is one time that it is switched on.
//!
//! The executable that uses this crate has to be a worker of crate `sandbox`
//! ([`sandbox::serve`], or [`sandbox::set_worker`] in tests).

mod accelerator;
mod arguments;
mod console;
mod disk;
mod error;
mod hardware;
mod port;
mod qmp;
mod running;

pub use accelerator::{Accelerator, accelerator};
pub use arguments::Firmware;
pub use console::Console;
pub use disk::{DiskKind, UnknownDisk};
pub use error::{Error, Result};
pub use hardware::Machine;
pub use running::Running;
