//! The health check of mailserver.
fn main() {}
