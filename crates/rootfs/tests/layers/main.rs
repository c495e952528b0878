//! Archives, ids and config layers: pure functions of data, over much data.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod config;
#[cfg(test)]
mod ids;
#[cfg(test)]
mod tarball;
