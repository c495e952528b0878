//! What a person sees while a command works: one quiet line that moves, one line that stays for
//! each thing that is done, in cargo's manner. Everything goes to standard error; standard output
//! belongs to results.
//!
//! Whatever others have written is shown, not obeyed: [`plain`].
//!
//! The console is one for the process, as the terminal is: [`configure`] sets it once.

mod plain;

use std::ffi::OsStr;
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
pub use plain::{is_obeyed, plain};
use serde::{Deserialize, Serialize};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to use colours, given whether standard error is a terminal and what NO_COLOR is
    /// (<https://no-color.org>: empty is as good as not set).
    fn is_wanted(self, terminal: bool, no_color: Option<&OsStr>) -> bool {
        match self {
            Self::Auto => terminal && no_color.is_none_or(OsStr::is_empty),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// How the console of a process is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// How much is said.
    pub verbosity: Verbosity,
    /// When in colour.
    pub color: Color,
}

struct Console {
    settings: Settings,
    color: bool,
    bars: MultiProgress,
}

static CONSOLE: OnceLock<Console> = OnceLock::new();

/// Sets how much is said and whether in colour; the first call wins.
pub fn configure(settings: Settings) {
    CONSOLE.get_or_init(|| Console::new(settings));
}

/// How it is set: what another process of the same command is told.
pub fn settings() -> Settings {
    console().settings
}

fn console() -> &'static Console {
    CONSOLE.get_or_init(|| Console::new(Settings::default()))
}

impl Console {
    fn new(settings: Settings) -> Self {
        use std::io::IsTerminal;
        let terminal = std::io::stderr().is_terminal();
        let bars = MultiProgress::new();
        if settings.verbosity == Verbosity::Quiet || !terminal {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        let color = settings.color.is_wanted(terminal, std::env::var_os("NO_COLOR").as_deref());
        Self { settings, color, bars }
    }

    fn painted(&self, style: &str, text: &str) -> String {
        if self.color { format!("\x1b[1;{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(&self, style: &str, verb: &str, message: &str) {
        let head = self.painted(style, &format!("{verb:>12}"));
        let message = plain(message);
        self.bars.suspend(|| eprintln!("{head} {message}"));
    }
}

/// A line that stays: what was done (`Fetched`), and to what.
pub fn done(verb: &str, message: impl AsRef<str>) {
    if console().settings.verbosity >= Verbosity::Normal {
        console().line("32", verb, message.as_ref());
    }
}

/// A line that stays, for those who asked for more.
pub fn detail(verb: &str, message: impl AsRef<str>) {
    if console().settings.verbosity >= Verbosity::Verbose {
        console().line("36", verb, message.as_ref());
    }
}

/// A line that is always said: something works, but not as its owner may expect.
pub fn warning(message: impl AsRef<str>) {
    console().line("33", "warning:", message.as_ref());
}

/// `error:` as the start of a message, in red where there are colours.
pub fn error_head() -> String {
    console().painted("31", "error:")
}

/// The start of another line of a message, `help:`.
pub fn note_head(head: &str) -> String {
    console().painted("36", head)
}

/// Work of a known size; gone when dropped.
pub struct Bar(ProgressBar);

/// Shows `verb` with a bar over `bytes` bytes.
pub fn bytes(verb: &str, bytes: u64) -> Bar {
    bar(verb, bytes, "[{bar:25}] {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}")
}

/// Shows `verb` with a bar over `count` things.
pub fn count(verb: &str, count: u64) -> Bar {
    bar(verb, count, "[{bar:25}] {pos}/{len} {wide_msg}")
}

/// Shows `verb` and the seconds that have gone by, for work of unknown size.
pub fn spinner(verb: &str, message: impl Into<String>) -> Bar {
    let shown = console().bars.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template(&template("{wide_msg} {elapsed}")) {
        shown.set_style(style);
    }
    shown.set_prefix(verb.to_owned());
    shown.set_message(plain(&message.into()).into_owned());
    shown.enable_steady_tick(Duration::from_millis(200));
    Bar(shown)
}

/// What a bar shows behind its verb.
fn template(rest: &str) -> String {
    let color = if console().color { ".cyan.bold" } else { "" };
    format!("{{prefix:>12{color}}} {rest}")
}

fn bar(verb: &str, length: u64, rest: &str) -> Bar {
    let shown = console().bars.add(ProgressBar::new(length));
    if let Ok(style) = ProgressStyle::with_template(&template(rest)) {
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
        self.0.set_message(plain(&message.into()).into_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_somebody_decides() {
        let set = Some(OsStr::new("1"));
        for (color, terminal, no_color, expected) in [
            (Color::Auto, true, None, true),
            (Color::Auto, true, Some(OsStr::new("")), true),
            (Color::Auto, true, set, false),
            (Color::Auto, false, None, false),
            (Color::Always, false, set, true),
            (Color::Never, true, None, false),
        ] {
            assert_eq!(color.is_wanted(terminal, no_color), expected, "{color:?} {terminal}");
        }
    }
}
