//! What a person sees while a command works: one quiet line that moves, one line that stays for
//! each thing that is done, in cargo's manner. Everything goes to standard error; standard output
//! belongs to results.
//!
//! The console is one for the process, as the terminal is: [`configure`] sets it once.

use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// One line for each thing done, and bars on a terminal.
    #[default]
    Normal,
    /// Also which stages were reused and which programs ran.
    Verbose,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

struct Console {
    verbosity: Verbosity,
    color: bool,
    bars: MultiProgress,
}

static CONSOLE: OnceLock<Console> = OnceLock::new();

/// Sets how much is said and whether in colour; the first call wins.
pub fn configure(verbosity: Verbosity, color: Color) {
    CONSOLE.get_or_init(|| Console::new(verbosity, color));
}

fn console() -> &'static Console {
    CONSOLE.get_or_init(|| Console::new(Verbosity::Normal, Color::Auto))
}

impl Console {
    fn new(verbosity: Verbosity, color: Color) -> Self {
        use std::io::IsTerminal;
        let terminal = std::io::stderr().is_terminal();
        let bars = MultiProgress::new();
        if verbosity == Verbosity::Quiet || !terminal {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        let color = match color {
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
            Color::Always => true,
            Color::Never => false,
        };
        Self { verbosity, color, bars }
    }

    fn line(&self, style: &str, verb: &str, message: &str) {
        let padded = format!("{verb:>12}");
        let head = if self.color { format!("\x1b[1;{style}m{padded}\x1b[0m") } else { padded };
        self.bars.suspend(|| eprintln!("{head} {message}"));
    }
}

/// A line that stays: what was done (`Fetched`), and to what.
pub fn done(verb: &str, message: impl AsRef<str>) {
    if console().verbosity >= Verbosity::Normal {
        console().line("32", verb, message.as_ref());
    }
}

/// A line that stays, for those who asked for more.
pub fn detail(verb: &str, message: impl AsRef<str>) {
    if console().verbosity >= Verbosity::Verbose {
        console().line("36", verb, message.as_ref());
    }
}

/// A line that is always said: something works, but not as its owner may expect.
pub fn warning(message: impl AsRef<str>) {
    console().line("33", "warning:", message.as_ref());
}

/// Whether `--verbose` was given.
pub fn is_verbose() -> bool {
    console().verbosity >= Verbosity::Verbose
}

/// Work of a known size; gone when dropped.
pub struct Bar(ProgressBar);

/// Shows `verb` with a bar over `bytes` bytes.
pub fn bytes(verb: &str, bytes: u64) -> Bar {
    let style =
        "{prefix:>12.cyan.bold} [{bar:25}] {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}";
    bar(verb, bytes, style)
}

/// Shows `verb` with a bar over `count` things.
pub fn count(verb: &str, count: u64) -> Bar {
    bar(verb, count, "{prefix:>12.cyan.bold} [{bar:25}] {pos}/{len} {wide_msg}")
}

/// Shows `verb` and the seconds that have gone by, for work of unknown size.
pub fn spinner(verb: &str, message: impl Into<String>) -> Bar {
    let shown = console().bars.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{prefix:>12.cyan.bold} {wide_msg} {elapsed}") {
        shown.set_style(style);
    }
    shown.set_prefix(verb.to_owned());
    shown.set_message(message.into());
    shown.enable_steady_tick(Duration::from_millis(200));
    Bar(shown)
}

fn bar(verb: &str, length: u64, template: &str) -> Bar {
    let shown = console().bars.add(ProgressBar::new(length));
    if let Ok(style) = ProgressStyle::with_template(template) {
        shown.set_style(style.progress_chars("=> "));
    }
    shown.set_prefix(verb.to_owned());
    Bar(shown)
}

impl Bar {
    /// So much more is done.
    pub fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    /// What is being worked on now.
    pub fn message(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
