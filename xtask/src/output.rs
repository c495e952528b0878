//! Results, on standard output. What others wrote in them says nothing to a terminal.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::process::exit;

/// Prints a line as `println!` does, and ends the program where `println!` would panic: when who
/// reads has heard enough (`| head`), or when nothing more can be written.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// See [`say`].
pub(crate) fn line(text: Arguments<'_>) {
    write(&progress::plain(&text.to_string()));
}

/// Prints a line as it is: JSON has escapes of its own.
pub(crate) fn write(text: &str) {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit(0),
        Err(error) => {
            let error = anyhow::Error::new(error).context("could not write the result");
            eprintln!("{}", crate::report::render(&error));
            exit(1)
        }
    }
}
