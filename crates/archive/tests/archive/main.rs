//! From a request to a lock, on small archives that are made up and signed here.

mod certificate;
mod fake;
mod indexes;
mod locks;
mod resolving;
mod signatures;
mod updating;
