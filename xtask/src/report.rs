//! Errors as people read them: what happened, what caused it, what to do. They quote packages,
//! archives and servers, none of which may speak to the terminal.

use std::fmt::Write as _;

use progress::plain;

/// Renders an error with its causes and, where one of them knows it, what to do now.
pub(crate) fn render(error: &anyhow::Error) -> String {
    let mut text = format!("{} {}", progress::error_head(), plain(&error.to_string()));
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        // What other programs say often ends with an empty line.
        let line = cause.to_string().trim_end().to_owned();
        // An error that only repeats its cause adds nothing.
        if !said.contains(&line) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{} {}", progress::note_head("caused by:"), plain(&line));
            said = line;
        }
    }
    if let Some(hint) = error.chain().find_map(hint) {
        let _ = write!(text, "\n{} {}", progress::note_head("help:"), plain(&hint));
    }
    text
}

/// The hint of any of our errors.
fn hint(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    macro_rules! first_of {
        ($($kind:ty),* $(,)?) => {
            None $(.or_else(|| error.downcast_ref::<$kind>().and_then(<$kind>::hint)))*
        };
    }
    first_of!(
        pipeline::Error,
        deploy::Error,
        transfer::Error,
        definition::Error,
        store::Error,
        lock::Error,
        lock::job::Failure,
        sandbox::Error,
        unpack::Error,
        rootfs::Error,
        compile::Error,
        image::Error,
        generation::Error,
        machine::Error,
        rescue::Error,
        stage::Error,
    )
}
