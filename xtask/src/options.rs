//! What several commands understand.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags that mean what they mean in cargo.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// Use no network: everything must be in the store or in a vault.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) offline: bool,
    /// Refuse to change a lock; it must be there and be complete.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) locked: bool,
    /// A vault to take files from before any mirror (`cargo xtask vault` makes one).
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(crate) vault: Vec<PathBuf>,
    /// Say nothing but results and errors.
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Also say which stages ran, which were reused, and what a lock was made from.
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) verbose: bool,
    /// Colour the messages: on a terminal (unless NO_COLOR is set), always or never.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Global options"
    )]
    pub(crate) color: Color,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Args)]
pub(crate) struct Json {
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
