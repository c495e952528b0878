//! From a request to a lock and to verified files, on small archives of Arch's layout that are
//! generated, signed and served here. The resolver by itself is compared with pacman elsewhere.
// Tells clippy that unwrapping is fine in all of this.
#![cfg(test)]

mod databases;
mod days;
mod extras;
mod pins;
mod resolving;
mod server;
mod signatures;
mod updating;
mod verifying;
