//! `cargo xtask`: Heirloom's command line. It parses, calls one stage or command, and prints.

mod cli;
mod commands;
mod options;
mod output;
mod report;
mod surroundings;

use std::process::ExitCode;

use progress::Verbosity;

fn main() -> ExitCode {
    // To enter namespaces the sandbox starts this executable once more: that is decided here.
    sandbox::serve(&[
        sandbox::JobEntry::of::<rootfs::debian::Packages>(),
        sandbox::JobEntry::of::<rootfs::arch::Packages>(),
        sandbox::JobEntry::of::<image::Erofs>(),
    ]);

    let cli = cli::Cli::of_process();
    let verbosity = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let color = match cli.global.color {
        options::Color::Auto => progress::Color::Auto,
        options::Color::Always => progress::Color::Always,
        options::Color::Never => progress::Color::Never,
    };
    progress::configure(progress::Settings { verbosity, color });
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}", report::render(&error));
            ExitCode::FAILURE
        }
    }
}
