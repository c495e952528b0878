//! A profile as it lies on disk.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::airootfs::{self, AIROOTFS, Found};
use super::made_lists;
use super::profiledef::{self, ProfileDef};
use super::report::{Report, place};
use super::text::Text;
use crate::{Error, Origin, Problem, Problems};

/// More than this is no list that somebody wrote.
const LARGEST: u64 = 1 << 20;

/// Top-level directories that are about boot loaders.
const BOOT_DIRECTORIES: [&str; 4] = ["efiboot", "grub", "isolinux", "syslinux"];

/// What a profile consists of.
#[derive(Debug)]
pub(super) struct Profile {
    /// Its directory, as it was given.
    pub(super) root: PathBuf,
    pub(super) def: ProfileDef,
    pub(super) packages: Text,
    pub(super) pacman_conf: Option<Text>,
    /// passwd, shadow and group.
    pub(super) account_files: [Option<Text>; 3],
    pub(super) hostname: Option<Text>,
    /// Sorted by path.
    pub(super) airootfs: Vec<Found>,
    pub(super) boot_directories: Vec<&'static str>,
}

impl Profile {
    /// Reads the profile in `root`.
    pub(super) fn read(root: &Path, report: &mut Report) -> Result<Self, Error> {
        let no_profile = || Error::NoProfile { path: root.to_owned() };
        let reader = match fs::canonicalize(root) {
            Ok(real) => Reader { root, real },
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_profile()),
            Err(error) => return Err(Error::read(root, error)),
        };
        let def = reader.text("profiledef.sh", None)?.ok_or_else(no_profile)?;
        let def = profiledef::read(&def, root, report)
            .map_err(|problems| Error::Profile(Problems::from_found(problems)))?;
        let (name, origin) = &def.packages;
        let packages = match reader.text(name, Some(origin))? {
            Some(packages) => packages,
            None => made_lists::in_place_of(&reader, name, report)?,
        };
        made_lists::report_scripts(&reader, name, report)?;
        let pacman_conf = match &def.pacman_conf {
            Some((name, origin)) => {
                let text = reader.text(name, Some(origin))?;
                if text.is_none() {
                    let message = format!(
                        "`{}` is not there; a build script may make it: core and extra are taken",
                        name.escape_debug()
                    );
                    report.decide(place(root, origin), message);
                }
                text
            }
            None => {
                let message =
                    "sets no pacman_conf, and mkarchiso took the host's: core and extra are taken";
                report.decide("profiledef.sh", message);
                None
            }
        };
        let etc = |name: &str| reader.text(&format!("{AIROOTFS}/etc/{name}"), None);
        let is_directory = |name: &&str| root.join(name).is_dir();
        Ok(Self {
            root: root.to_owned(),
            packages,
            pacman_conf,
            account_files: [etc("passwd")?, etc("shadow")?, etc("group")?],
            hostname: etc("hostname")?,
            airootfs: airootfs::walk(&root.join(AIROOTFS), report)?,
            boot_directories: BOOT_DIRECTORIES.into_iter().filter(is_directory).collect(),
            def,
        })
    }
}

/// Reads files of a profile, and none of anything else.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Path,
    /// The directory without symlinks on the way.
    real: PathBuf,
}

impl Reader<'_> {
    /// The text of a file, if there is one; `origin` is where its name was written.
    pub(super) fn text(&self, name: &str, origin: Option<&Origin>) -> Result<Option<Text>, Error> {
        let file = self.root.join(name);
        let whole = Origin::file(&file);
        let wrong = |message: String, hint: &str| {
            let problem = Problem::new(origin.unwrap_or(&whole), message).hint(hint.to_owned());
            Error::Profile(problem.into())
        };
        let shown = name.escape_debug();
        let real = match fs::canonicalize(&file) {
            Ok(real) => real,
            Err(error)
                if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(Error::read(&file, error)),
        };
        if !real.starts_with(&self.real) {
            let message = format!("`{shown}` leads out of the profile");
            return Err(wrong(message, "copy the file into the profile"));
        }
        let metadata = fs::metadata(&real).map_err(|error| Error::read(&file, error))?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            let message = format!("`{shown}` is no regular file of at most {} MiB", LARGEST >> 20);
            return Err(wrong(message, "the files of a profile are small texts"));
        }
        match fs::read_to_string(&real) {
            Ok(text) => Ok(Some(Text { file, text })),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(wrong(format!("`{shown}` is not UTF-8"), "save it as UTF-8"))
            }
            Err(error) => Err(Error::read(&file, error)),
        }
    }
}
