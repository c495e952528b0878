//! Content-addressed files: fetched by sha256 from many mirrors, verified, vaulted.
//!
//! ```text
//! <cache>/                       $HEIRLOOM_CACHE, $XDG_CACHE_HOME/heirloom or ~/.cache/heirloom
//!   store/
//!     sha256/ab/abcd…            whole files, read-only; the name is the sha256 of the bytes
//!     partial/abcd….part         downloads under way; never read by anyone but a download
//!   workspaces/0123…             a workspace that uses the cache: its locks say what is needed
//! ```
//!
//! Invariants:
//!
//! * A file gets its name under `sha256/` by a rename, after its bytes were hashed and synced. So a
//!   killed command, a full disk or a power cut leaves nothing there that is not whole.
//! * [`Store::fetch`] hashes what is already present, too: a damaged disk is noticed and mended.
//! * Nothing is believed about a source. It may send other bytes, too many, too few, or none: what
//!   does not have the size and the sha256 asked for is refused, and the next source is asked.
//! * Whoever writes a `.part` file holds its lock (`flock`), so commands share the store, and two
//!   that need the same files divide the work.
//! * Nothing is printed but through `progress`.
//!
//! Sources, in the order in which they are asked: vaults, mirrors of the user's configuration, the
//! mirrors that the host's apt uses, the dated archive.

mod addresses;
mod apt;
mod ask;
mod client;
mod config;
mod download;
mod error;
mod fetch;
mod forward;
mod index;
mod item;
mod options;
mod part;
mod patience;
mod proxy;
mod rate;
mod refusal;
mod roots;
mod source;
mod standing;
mod store;
pub mod vault;
mod workers;
mod workspaces;

pub use error::{Error, Failure, Result};
pub use fetch::Fetched;
pub use index::{Candidate, Candidates};
pub use item::Item;
pub use options::{Dated, Options, cache_dir};
pub use refusal::{Reason, Refusal};
pub use store::Store;
pub use workspaces::Known;
