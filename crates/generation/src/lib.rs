//! A generation: an OCI image manifest, its config, its layers.
//!
//! This crate knows no disk and no clock: it turns types into the bytes that digests cover and
//! back. It is linked into the static programs of the server, so it stays small.

pub mod config;
pub mod manifest;
