//! Lists of packages that a script makes before mkarchiso reads them.
//!
//! Such a profile has scripts that write packages.x86_64, or add to it, out of other lists. They are
//! not run: what is known is read, the rest is said.

use std::fs;
use std::io;

use super::profile::Reader;
use super::report::{Report, place};
use super::text::Text;
use crate::Error;

/// How files begin that hold a list, in the top directory of a profile.
const LISTS: &str = "packages";

/// What scripts that are no `#!` files are called.
const BUILD_FILES: [&str; 4] = ["Makefile", "makefile", "GNUmakefile", "justfile"];

/// What a line has that changes a file rather than reads it.
const WRITES: [&str; 7] = [">", "tee ", "sed -i", "cp ", "mv ", "install ", "ln "];

/// The list that there is in place of the missing `name`: the only other one, or none.
pub(super) fn in_place_of(
    reader: &Reader<'_>,
    name: &str,
    report: &mut Report,
) -> Result<Text, Error> {
    let files = files(reader)?;
    let mut lists: Vec<_> = files.into_iter().filter(|file| file.starts_with(LISTS)).collect();
    let shown = name.escape_debug();
    if let [list] = &lists[..]
        && let Some(text) = reader.text(list, None)?
    {
        let message = format!("is read in place of `{shown}`, which is not there");
        report.decide(place(reader.root, &text.origin(0..0)), message);
        return Ok(text);
    }
    let instead = match lists.is_empty() {
        true => "run what makes it, or add packages to server.toml".to_owned(),
        false => {
            lists.iter_mut().for_each(|list| *list = list.escape_debug().to_string());
            format!("add to server.toml what is meant of {}", lists.join(", "))
        }
    };
    let message = format!("`{shown}` is not there, and no package is taken: {instead}");
    report.decide("profiledef.sh", message);
    Ok(Text { file: reader.root.join(name), text: String::new() })
}

/// Says which scripts of the profile write the list `name`.
pub(super) fn report_scripts(
    reader: &Reader<'_>,
    name: &str,
    report: &mut Report,
) -> Result<(), Error> {
    for file in files(reader)? {
        if file == "profiledef.sh" || file == name {
            continue;
        }
        // A picture, say, is no script.
        let Ok(Some(script)) = reader.text(&file, None) else { continue };
        if !script.text.starts_with("#!") && !BUILD_FILES.contains(&file.as_str()) {
            continue;
        }
        for (span, line) in script.lines() {
            let writes = WRITES.iter().any(|word| line.contains(word));
            if writes && line.contains(name) && !line.trim_start().starts_with('#') {
                let message = format!(
                    "is not run: it may change `{}`: see what it adds or takes away",
                    name.escape_debug()
                );
                report.decide(place(reader.root, &script.origin(span)), message);
            }
        }
    }
    Ok(())
}

/// The names of the files in the top directory, sorted; those that are not UTF-8 are nobody's list.
fn files(reader: &Reader<'_>) -> Result<Vec<String>, Error> {
    let read = || -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(reader.root)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                files.extend(entry.file_name().into_string());
            }
        }
        files.sort();
        Ok(files)
    };
    read().map_err(|error| Error::read(reader.root, error))
}
