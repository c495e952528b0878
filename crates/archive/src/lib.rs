//! Package archives: signed indexes, resolver, lock.

pub mod lock;
