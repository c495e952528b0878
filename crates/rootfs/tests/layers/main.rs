//! Archives, ids and config layers: pure functions of data, over much data.

mod accounts;
mod config;
mod ids;
mod tarball;
