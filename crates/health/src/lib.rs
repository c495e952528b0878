//! What servers' health checks are written with.
