//! The health check of webserver.
fn main() {}
