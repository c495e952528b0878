//! The health check of gitserver.
fn main() {}
