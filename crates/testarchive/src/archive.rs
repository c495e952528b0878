//! The folders of the archive: a repository of each day, and every package that ever was.
//!
//! ```text
//! repos/2020/06/01/core/os/x86_64/core.db, NAME-VERSION-ARCH.pkg.tar.zst, .sig
//! packages/n/name/NAME-VERSION-ARCH.pkg.tar.zst, .sig
//! ```

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::database;
use crate::keys::{Keys, Signer};
use crate::package::Packed;

/// An archive in a folder, which a test fills day by day.
#[derive(Debug)]
pub struct Archive<'k> {
    folder: PathBuf,
    keys: &'k Keys,
    signs_databases: bool,
    links: bool,
    /// When each file came, in seconds since 1970.
    added: HashMap<String, i64>,
}

impl<'k> Archive<'k> {
    /// An empty one in `folder`, which is made.
    pub fn new(folder: &Path, keys: &'k Keys) -> Self {
        fs::create_dir_all(folder).unwrap();
        Self {
            folder: folder.to_owned(),
            keys,
            signs_databases: false,
            links: false,
            added: HashMap::new(),
        }
    }

    /// Files of days to come are hard links to those under `packages`: for packages so large that
    /// copies would take long. Who changes one then changes the other.
    pub fn link_packages(mut self) -> Self {
        self.links = true;
        self
    }

    /// Databases of days to come are signed, `REPOSITORY.db.sig`. Arch's are not.
    pub fn sign_databases(mut self) -> Self {
        self.signs_databases = true;
        self
    }

    /// What `repository` had on a day: these packages, those that are new since noon of that day.
    /// Days come in order; a repository that is not named on a day does not exist then.
    ///
    /// Packages are also under `packages`, and stay there.
    pub fn day(mut self, date: Date, repository: &str, packages: &[&Packed]) -> Self {
        let noon = date.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let noon = noon.timestamp().as_second();
        for package in packages {
            self.added.entry(package.file_name.clone()).or_insert(noon);
            self.add(package);
            let folder = self.repository(date, repository);
            if self.links {
                self.link_package(&folder, package);
            } else {
                write_package(&folder, package);
            }
        }
        let dated = packages.iter().map(|package| (*package, self.added[&package.file_name]));
        let database = database::database(dated);
        self.write_database(date, repository, &database, u32::try_from(noon).unwrap());
        self
    }

    /// A package that is in no repository (any more).
    pub fn add(&self, package: &Packed) {
        let folder = self.of_package(package);
        // One that was linked already is that of the days before, too.
        if !(self.links && folder.join(&package.file_name).exists()) {
            write_package(&folder, package);
        }
    }

    /// The folder of a repository on a day.
    pub fn repository(&self, date: Date, repository: &str) -> PathBuf {
        let day = date.strftime("%Y/%m/%d").to_string();
        self.folder.join("repos").join(day).join(repository).join("os/x86_64")
    }

    /// Where it all lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes any bytes as the database of a repository on a day.
    pub fn write_database(&self, date: Date, repository: &str, bytes: &[u8], signed: u32) {
        let folder = self.repository(date, repository);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{repository}.db")), bytes).unwrap();
        if self.signs_databases {
            let signature = self.keys.sign(Signer::Packager, bytes, signed).unwrap();
            fs::write(folder.join(format!("{repository}.db.sig")), signature).unwrap();
        }
    }

    fn of_package(&self, package: &Packed) -> PathBuf {
        self.folder.join("packages").join(&package.name[..1]).join(&package.name)
    }

    fn link_package(&self, folder: &Path, package: &Packed) {
        fs::create_dir_all(folder).unwrap();
        let signature = format!("{}.sig", package.file_name);
        for name in [&package.file_name, &signature] {
            let file = self.of_package(package).join(name);
            if file.exists() {
                fs::hard_link(file, folder.join(name)).unwrap();
            }
        }
    }
}

fn write_package(folder: &Path, package: &Packed) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(&package.file_name), &package.bytes).unwrap();
    if let Some(signature) = &package.signature {
        fs::write(folder.join(format!("{}.sig", package.file_name)), signature).unwrap();
    }
}
