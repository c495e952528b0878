//! Logs that were written by hand, and FATs that were written by a program of ours.

#![cfg(test)]

mod fat_tests;
mod log_tests;
mod model_tests;
mod recorder;
mod replay_tests;
