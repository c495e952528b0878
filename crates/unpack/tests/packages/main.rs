//! Packages of all sorts, made here, and what becomes of them.

#[cfg(test)]
mod arch;
#[cfg(test)]
mod build;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod living;
#[cfg(test)]
mod malformed;
