//! From a request to a lock, on small archives that are made up and signed here.
// Tells clippy that unwrapping is fine in all of this.
#![cfg(test)]

mod certificate;
mod extras;
mod fake;
mod indexes;
mod pockets;
mod resolving;
mod signatures;
mod updating;
