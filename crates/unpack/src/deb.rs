//! A Debian package file, deb(5): an `ar` archive of `debian-binary`, `control.tar*`, `data.tar*`.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::ar::Ar;
use crate::compression;
use crate::control::Control;
use crate::error::{Cause, Error};

/// No control archive is larger, compressed.
const LARGEST_CONTROL: u64 = 64 << 20;

/// A package whose control archive was read and whose data is next in the stream.
pub struct Deb<R> {
    /// How messages call it.
    pub(crate) name: String,
    control: Control,
    archive: Ar<R>,
    ending: String,
}

impl Deb<BufReader<File>> {
    /// Opens a package file and reads its control archive.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::new(&name, error))?;
        Self::new(name, BufReader::with_capacity(256 << 10, file))
    }
}

impl<R: Read> Deb<R> {
    /// Reads the control archive of a package; `name` is for messages until the package's own name
    /// is known.
    pub fn new(name: impl Into<String>, reader: R) -> Result<Self, Error> {
        let name = name.into();
        match Self::read(reader) {
            Ok((control, archive, ending)) => {
                Ok(Self { name: control.label(), control, archive, ending })
            }
            Err(cause) => Err(Error::new(name, cause)),
        }
    }

    fn read(reader: R) -> Result<(Control, Ar<R>, String), Cause> {
        let mut archive = Ar::new(reader)?;
        let first = next(&mut archive)?;
        let mut version = String::new();
        (&mut archive).take(16).read_to_string(&mut version)?;
        if first.name != "debian-binary" || !version.starts_with("2.") {
            return Err(Cause::NotDeb("it does not begin with `debian-binary` of version 2"));
        }
        let member = next(&mut archive)?;
        let ending = member
            .name
            .strip_prefix("control.tar")
            .ok_or(Cause::NotDeb("its second member is not `control.tar`"))?
            .to_owned();
        if member.size > LARGEST_CONTROL {
            return Err(Cause::TooLarge { member: member.name, size: member.size });
        }
        let reader = compression::decoder(&ending, &mut archive)?;
        let control = Control::read(reader.ok_or(Cause::Compression(member.name))?)?;
        let member = next(&mut archive)?;
        let ending = member
            .name
            .strip_prefix("data.tar")
            .ok_or(Cause::NotDeb("its third member is not `data.tar`"))?
            .to_owned();
        Ok((control, archive, ending))
    }

    /// The package's control archive.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The control archive and the uncompressed `data.tar`.
    pub(crate) fn into_data<'r>(self) -> Result<(Control, Box<dyn Read + 'r>), Error>
    where
        R: 'r,
    {
        let decoder = compression::decoder(&self.ending, self.archive);
        match decoder {
            Ok(Some(reader)) => Ok((self.control, reader)),
            Ok(None) => {
                let member = format!("data.tar{}", self.ending);
                Err(Error::new(self.name, Cause::Compression(member)))
            }
            Err(error) => Err(Error::new(self.name, error)),
        }
    }
}

/// The next member that has a meaning: names with an underscore are for others (deb(5)).
fn next<R: Read>(archive: &mut Ar<R>) -> Result<crate::ar::Member, Cause> {
    loop {
        match archive.next_member()? {
            Some(member) if member.name.starts_with('_') => {}
            Some(member) => return Ok(member),
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}
