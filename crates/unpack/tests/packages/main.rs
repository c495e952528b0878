//! Packages of all sorts, made here, and what becomes of them.

mod build;
mod honest;
mod hostile;
mod malformed;
