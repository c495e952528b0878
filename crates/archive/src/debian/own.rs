//! Package files beside the definition, as an index of their own.

use lock::OwnFile;
use lock::debian::{Request, Wanted};

use super::index::{List, SuiteIndex};
use super::mentions::Mentions;
use super::release::Release;
use super::stanza::{self, Stanza};
use super::suite::Suite;
use crate::deb;
use crate::error::Error;
use crate::files::Files;

/// The index of the package files of a request, and what asks for them; nothing where there are
/// none.
pub(crate) fn read(
    files: &dyn Files,
    request: &Request,
) -> Result<(Option<SuiteIndex>, Vec<Wanted>), Error> {
    let mut texts: Vec<String> = Vec::new();
    let mut wanted: Vec<Wanted> = Vec::new();
    for (at, file) in request.own.iter().enumerate() {
        let wrong = |what: String| Error::OwnFile {
            place: file.place.clone(),
            path: file.path.clone(),
            what,
        };
        let text = entry(files, file).map_err(wrong)?;
        let (one, architecture) = asked(&text).map_err(wrong)?;
        if architecture != "all" && architecture != request.native() {
            let native = request.native();
            return Err(wrong(format!(
                "is of architecture {architecture}, the server of {native}"
            )));
        }
        if let Some(first) = wanted.iter().position(|known| known.name == one.name) {
            let other = &request.own[first];
            return Err(Error::OwnTwice {
                name: one.name,
                place: request.own[at].place.clone(),
                path: file.path.clone(),
                other: other.path.clone(),
                other_place: other.place.clone(),
            });
        }
        texts.push(text);
        wanted.push(one);
    }
    if texts.is_empty() {
        return Ok((None, wanted));
    }
    let text = texts.join("\n");
    let list = List { file: "files".to_owned(), architecture: request.native().to_owned(), text };
    let (suite, sha256) = (Suite::of_definition(), digest::Digest::of(&list.text));
    let index = SuiteIndex { suite, release: Release::unsigned(), sha256, lists: vec![list] };
    Ok((Some(index), wanted))
}

/// The control file of a package, with what an index has besides (Debian repository format).
fn entry(files: &dyn Files, file: &OwnFile) -> Result<String, String> {
    let bytes = files.kept(file.sha256).ok_or("is not in the store")?;
    let control = deb::control(&bytes).map_err(|error| format!("is no package: {error}"))?;
    let control = String::from_utf8(control).map_err(|_| "has a control file that is not UTF-8")?;
    let control = control.trim_matches('\n');
    // What comes after an empty line would be another package.
    if control.lines().any(|line| line.trim().is_empty()) {
        return Err("has a control file with an empty line".to_owned());
    }
    let (path, size, sha256) = (&file.path, file.size, file.sha256.hex());
    Ok(format!("{control}\nFilename: {path}\nSize: {size}\nSHA256: {sha256}\n"))
}

/// What asks for the package of an entry, and its architecture.
fn asked(text: &str) -> Result<(Wanted, String), String> {
    let mut mentions = Mentions::default();
    let stanzas = stanza::parse(text, &mut mentions);
    let stanzas = stanzas.map_err(|error| format!("has a control file with a mistake: {error}"))?;
    let [Stanza { name, version, architecture, .. }] = stanzas.as_slice() else {
        return Err("has a control file of several packages".to_owned());
    };
    let wanted: Wanted = format!("{name}={version}")
        .parse()
        .map_err(|_| format!("has a version that is none: {version:?}"))?;
    Ok((wanted, (*architecture).to_owned()))
}
