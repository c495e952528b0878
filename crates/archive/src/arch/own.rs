//! Package files beside the definition.

use lock::OwnFile;
use lock::arch::{KEYRING, Request, Wanted};

use super::entry::Entry;
use super::package_file::about;
use super::universe::Held;
use crate::error::Error;
use crate::files::Files;

/// The package files of a request, and what asks for them.
pub(crate) fn read(files: &dyn Files, request: &Request) -> Result<Vec<(Held, Wanted)>, Error> {
    let mut own: Vec<(Held, Wanted)> = Vec::new();
    for file in &request.own {
        let wrong = |what: String| Error::OwnFile {
            place: file.place.clone(),
            path: file.path.clone(),
            what,
        };
        let held = held(files, file, &request.architecture).map_err(wrong)?;
        let about = &held.entry.about;
        if about.name == KEYRING {
            return Err(wrong(format!("is {KEYRING}, which Arch alone may say")));
        }
        if let Some(first) = own.iter().position(|(_, wanted)| wanted.name == about.name) {
            let other = &request.own[first];
            return Err(Error::OwnTwice {
                name: about.name.clone(),
                place: file.place.clone(),
                path: file.path.clone(),
                other: other.path.clone(),
                other_place: other.place.clone(),
            });
        }
        let (name, version) = (about.name.clone(), Some(about.version.clone()));
        own.push((held, Wanted { name, repository: None, version }));
    }
    Ok(own)
}

fn held(files: &dyn Files, file: &OwnFile, architecture: &str) -> Result<Held, String> {
    let bytes = files.kept(file.sha256).ok_or("is not in the store")?;
    let about = about(&*bytes, architecture).map_err(|what| format!("is no package: {what}"))?;
    let name = file.path.rsplit('/').next().unwrap_or(&file.path).to_owned();
    let (size, sha256) = (file.size, file.sha256);
    let entry = Entry { about, file: name, size, sha256, signature: None };
    Ok(Held { entry, path: file.path.clone(), own: true })
}
