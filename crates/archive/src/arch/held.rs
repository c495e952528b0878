//! Versions that no repository has on the day: what a pin or an earlier lock holds, read from the
//! package file itself.

use digest::Digest;
use lock::arch::{Request, compare};
use lock::{Lock, Package};
use store::Item;

use super::entry::{Entry, LARGEST_SIGNATURE};
use super::keyring::{Keyring, SignatureError};
use super::package_file::about;
use super::repository::{ARCHIVE, Repository, path};
use super::universe::Held;
use crate::error::{Cause, Error};
use crate::files::Files;

/// How the package tree's files end; the second until the end of 2019.
const ENDINGS: [&str; 2] = ["zst", "xz"];

/// What fetches files of packages and says whether their signatures count.
pub(crate) struct Source<'s> {
    pub(crate) files: &'s dyn Files,
    pub(crate) request: &'s Request,
    pub(crate) repositories: &'s [Repository],
}

/// What says whether the signature of a file counts: given that and, once it is there, the file.
pub(crate) type Judge<'j> = dyn Fn(&[u8], Option<&[u8]>) -> Result<(), SignatureError> + 'j;

/// A judge by the keyring of the day.
pub(crate) fn by(keyring: &Keyring) -> impl Fn(&[u8], Option<&[u8]>) -> Result<(), SignatureError> {
    |signature, file| match file {
        None => keyring.check_signer(signature),
        Some(file) => keyring.verify(signature, || Ok(file)),
    }
}

impl Source<'_> {
    /// A pinned version: from the earlier lock if that has it, else from the archive's package
    /// tree.
    pub(crate) fn pinned(
        &self,
        name: &str,
        version: &str,
        previous: Option<&Lock>,
        judge: &Judge<'_>,
    ) -> Result<Held, Error> {
        let locked = previous.into_iter().flat_map(|lock| &lock.packages);
        let mut locked =
            locked.filter(|package| package.name == name && package.version == version);
        match locked.next() {
            Some(package) => self.locked(package, judge),
            None => self.in_tree(name, version, judge),
        }
    }

    /// A package that is locked.
    pub(crate) fn locked(&self, package: &Package, judge: &Judge<'_>) -> Result<Held, Error> {
        let (file, signature) = self.files_of(package)?;
        self.read(&package.name, &package.version, package.path.clone(), &file, signature, judge)
    }

    /// The file of a package that is locked, and its signature.
    pub(crate) fn files_of(&self, package: &Package) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let fetch = |item: &Item| {
            self.files.file(item).map_err(|source| Error::Fetch { what: item.name.clone(), source })
        };
        let signature = package.signature_item(self.request.date);
        let signature = signature.ok_or_else(|| Error::Request {
            what: format!("the lock has no signature of {} {}", package.name, package.version),
        })?;
        Ok((fetch(&package.item(self.request.date))?, fetch(&signature)?))
    }

    /// Looks for a version under the names that its file may have. The signature is looked at first:
    /// it is small, and without a good one nothing else of the package is.
    fn in_tree(&self, name: &str, version: &str, judge: &Judge<'_>) -> Result<Held, Error> {
        let request = self.request;
        let label = format!("{name} {version}");
        let has = |repository: &&Repository| {
            repository.beside.is_none()
                && repository.database.entries.iter().any(|entry| entry.about.name == name)
        };
        let repository = self.repositories.iter().find(has).or(self.repositories.first());
        let repository = repository.map_or("core", |repository| repository.name.as_str());
        let mut nowhere: Option<Cause> = None;
        for architecture in [request.architecture.as_str(), "any"] {
            for ending in ENDINGS {
                let file = format!("{name}-{version}-{architecture}.pkg.tar.{ending}");
                let path = path(repository, &request.architecture, &file);
                match self.signature(&path, &label, judge) {
                    Ok(signature) => return self.fetch(name, version, path, signature, judge),
                    Err(Error::Fetch { source, .. }) => nowhere = nowhere.or(Some(source)),
                    Err(error) => return Err(error),
                }
            }
        }
        Err(Error::NoSuchPin {
            name: name.to_owned(),
            version: version.to_owned(),
            date: request.date,
            available: self.versions(name),
            source: nowhere.unwrap_or_else(|| "there is nothing to ask".into()),
        })
    }

    /// The versions of a package that the repositories have, newest first.
    fn versions(&self, name: &str) -> Vec<String> {
        let entries = self.repositories.iter().flat_map(|repository| &repository.database.entries);
        let entries = entries.filter(|entry| entry.about.name == name);
        let mut versions: Vec<_> = entries.map(|entry| entry.about.version.clone()).collect();
        versions.sort_by(|a, b| compare(b, a));
        versions.dedup();
        versions
    }

    /// The detached signature of a package file that is by somebody who may sign.
    ///
    /// # Errors
    /// [`Error::Fetch`] when no source has one, [`Error::Signature`] when none counts.
    pub(crate) fn signature(
        &self,
        path: &str,
        label: &str,
        judge: &Judge<'_>,
    ) -> Result<Vec<u8>, Error> {
        let (mut found, mut refused) = (None, None);
        let path = format!("{path}.sig");
        let asked = self.files.find(ARCHIVE, &path, self.request.date, &mut |bytes| {
            accept_signature(bytes, judge).map_err(|why| {
                let text = why.to_string();
                refused = Some(why);
                text
            })?;
            found = Some(bytes.to_vec());
            Ok(())
        });
        match (asked, found, refused) {
            (Ok(()), Some(signature), _) => Ok(signature),
            (_, _, Some(source)) => Err(Error::Signature { package: label.to_owned(), source }),
            (asked, _, None) => Err(Error::Fetch {
                what: format!("the signature of {label}"),
                source: asked.err().unwrap_or_else(|| "no source has it".into()),
            }),
        }
    }

    fn fetch(
        &self,
        name: &str,
        version: &str,
        path: String,
        signature: Vec<u8>,
        judge: &Judge<'_>,
    ) -> Result<Held, Error> {
        let (mut held, mut refused) = (None, None);
        let asked =
            self.files.find(ARCHIVE, &path, self.request.date, &mut |bytes| match self.read(
                name,
                version,
                path.clone(),
                bytes,
                signature.clone(),
                judge,
            ) {
                Ok(read) => {
                    let kept = self.files.keep(bytes).and_then(|()| self.files.keep(&signature));
                    held = Some(kept.map(|()| read));
                    Ok(())
                }
                Err(error) => {
                    let text = error.to_string();
                    refused = Some(error);
                    Err(text)
                }
            });
        match (asked, held, refused) {
            (Ok(()), Some(held), _) => {
                held.map_err(|source| Error::Fetch { what: format!("{name} {version}"), source })
            }
            (_, _, Some(error)) => Err(error),
            (asked, _, None) => Err(Error::Fetch {
                what: format!("{name} {version}"),
                source: asked.err().unwrap_or_else(|| "no source has it".into()),
            }),
        }
    }

    /// Reads a package file, once its signature is found good.
    fn read(
        &self,
        name: &str,
        version: &str,
        path: String,
        file: &[u8],
        signature: Vec<u8>,
        judge: &Judge<'_>,
    ) -> Result<Held, Error> {
        let package = format!("{name} {version}");
        judge(&signature, Some(file))
            .map_err(|source| Error::Signature { package: package.clone(), source })?;
        let other = |what: String| Error::OtherPackage { package: package.clone(), what };
        let about = about(file, &self.request.architecture).map_err(other)?;
        if (about.name.as_str(), about.version.as_str()) != (name, version) {
            return Err(other(format!("it says that it is {}", about.label())));
        }
        let entry = Entry {
            about,
            file: path.rsplit('/').next().unwrap_or(&path).to_owned(),
            size: file.len() as u64,
            sha256: Digest::of(file),
            signature: Some(signature),
        };
        Ok(Held { entry, path, own: false })
    }
}

/// Whether bytes that somebody offers are a signature by one who may sign.
pub(crate) fn accept_signature(bytes: &[u8], judge: &Judge<'_>) -> Result<(), SignatureError> {
    if bytes.len() > LARGEST_SIGNATURE {
        return Err(SignatureError::Malformed("it is too large".to_owned()));
    }
    judge(bytes, None)
}
