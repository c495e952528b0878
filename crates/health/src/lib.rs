//! What servers' health checks are written with.
//!
//! A check program looks once and says what it saw: its exit code is 0 when everything was well
//! and 1 otherwise. Waiting is not its business: whoever runs it asks again until the deadline of
//! the server's definition is over.
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     health::main(|report| {
//!         report.check("postfix runs", || health::unit("postfix.service"));
//!         report.check("smtp greets", || health::greeting("127.0.0.1:25", "220 "));
//!         report.check("imap greets", || health::greeting("127.0.0.1:143", "* OK"));
//!         report.check("mail can be stored", || {
//!             std::fs::write("/var/mail/.health", "").map_err(health::Failure::other)
//!         });
//!     })
//! }
//! ```
//!
//! Only the standard library is used: check programs are small and static.

mod failure;
mod network;
mod report;
mod route;
mod unit;

pub use failure::Failure;
pub use network::{greeting, http, tcp};
pub use report::{Report, main};
pub use route::network;
pub use unit::unit;
