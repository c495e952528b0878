//! What deploy and the agent on the server say to one another.
//!
//! [`report`] is what the agent's commands print with `--json`, [`table`] one of them for people.
//! [`serve()`] and [`Client`] are the two ends of a transfer over a pair of pipes: a generation's
//! documents, and of its blobs those that the server lacks, as [`delta`]s against blobs that it has.
//! `docs/reference/deploy.md` has the format.
//!
//! Neither end trusts the other: lengths are limited before anything is allocated, no path comes
//! from the wire, and a blob gets its name when its bytes have the digest that they were
//! announced with. What was cut off stays [`incoming`], and the next transfer goes on from there.
//!
//! The crate is linked into the static program of the server, so it stays small.

#![warn(missing_docs)]

mod chatter;
mod client;
pub mod delta;
mod error;
pub mod incoming;
mod landmark;
pub mod message;
pub mod report;
mod serve;
pub mod table;
mod wire;

pub use chatter::answer;
pub use client::{Base, Client, Sent};
pub use delta::Encoder;
pub use error::{Error, Result};
pub use incoming::Incoming;
pub use message::{Greeting, Needs, Refusal};
pub use serve::{Host, serve};
