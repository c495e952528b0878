//! What can be wrong with a package, or with laying it.

use std::io;
use std::path::PathBuf;

/// A package could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[error("cannot unpack {package}")]
pub struct Error {
    /// The package file, or `name_version` once that is known.
    pub package: String,
    /// Why.
    #[source]
    pub cause: Box<Cause>,
}

/// Why a package could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// Reading the package or writing the tree failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is no package of Debian.
    #[error("this is no Debian package: {0}")]
    NotDeb(&'static str),
    /// The file is no package of Arch.
    #[error("this is no Arch package: {0}")]
    NotArch(&'static str),
    /// A `.PKGINFO` that pacman's database cannot hold.
    #[error("its .PKGINFO {0}")]
    Info(String),
    /// A package that is not the one which its lock or, on Arch, its file name says.
    #[error("it is the package `{0}`")]
    OtherPackage(String),
    /// A member of an Arch package whose name begins with a dot and is no file of metadata.
    #[error("member `{0}` is no metadata that pacman knows, and would not be installed")]
    Metadata(String),
    /// A link or directory that says it has content.
    #[error("member `{0}` is no file and says that it has content")]
    Content(String),
    /// A path that one package has twice.
    #[error("member `{0}` is there twice")]
    Twice(String),
    /// A path where no package can have anything.
    #[error("member `{0}` lies in a directory that is made anew at each boot")]
    Reserved(String),
    /// A member is compressed in a way that is not known.
    #[error("member `{0}` is neither gz, xz, zst nor uncompressed")]
    Compression(String),
    /// The control archive has something that dpkg's database cannot hold.
    #[error("its control archive has `{0}`, which is no plain file there")]
    ControlMember(String),
    /// A field is missing.
    #[error("its control file has no `{0}:`")]
    ControlField(&'static str),
    /// A field that could lead out of the database or be read by a shell.
    #[error("its control file has `{field}: {value}`, which no package can have")]
    ControlValue {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// A file or link where dpkg's database has a file of its own.
    #[error("member `{0}` stands where dpkg's database is written")]
    Database(String),
    /// A path that leads out of the tree.
    #[error("member `{0}` leads out of the tree")]
    Leaves(String),
    /// A path that no file system takes.
    #[error("member `{0}` has an impossible name")]
    Name(String),
    /// A member lies behind a symbolic link, which is never followed.
    #[error("member `{member}` lies behind the symbolic link `{link}`")]
    BehindLink {
        /// The member.
        member: String,
        /// The link.
        link: String,
    },
    /// A hard link to something that is not an earlier file of the same package.
    #[error("hard link `{member}` leads to `{target}`, which is no file of this package")]
    HardLink {
        /// The link.
        member: String,
        /// Where it leads.
        target: String,
    },
    /// A device node, a fifo or something that has no name.
    #[error("member `{member}` is a {kind}, which packages may not have")]
    Special {
        /// The member.
        member: String,
        /// What it is.
        kind: &'static str,
    },
    /// A size that no package has.
    #[error("member `{member}` says it has {size} bytes, more than any package's")]
    TooLarge {
        /// The member.
        member: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Two packages have the same path and neither replaces the other.
    #[error("`{path}` is also in {other}")]
    Conflict {
        /// The path.
        path: String,
        /// The other package.
        other: String,
    },
    /// A file where a directory is, or the other way round.
    #[error("`{path}` is there already and is {found}")]
    Exists {
        /// The path.
        path: String,
        /// What is there.
        found: &'static str,
    },
    /// A member could not be laid.
    #[error("cannot lay `{path}`")]
    Lay {
        /// The member.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An extended attribute could not be set.
    #[error("cannot set the extended attribute {name} of `{path}`")]
    Xattr {
        /// The member.
        path: PathBuf,
        /// The attribute.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn new(package: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self { package: package.into(), cause: Box::new(cause.into()) }
    }

    /// What to do now.
    pub fn hint(&self) -> Option<String> {
        Some(match &*self.cause {
            Cause::Conflict { other, .. } => format!(
                "the two cannot be installed together unless one diverts or replaces the other: \
                 leave {} or {other} out",
                self.package
            ),
            Cause::Lay { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "make room on the device and run the command again".to_owned()
            }
            Cause::Lay { source, .. } | Cause::Xattr { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                "owners and attributes can be kept by root or inside a user namespace only"
                    .to_owned()
            }
            Cause::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                "the file is cut off: remove it, and it is fetched again".to_owned()
            }
            Cause::Leaves(_)
            | Cause::BehindLink { .. }
            | Cause::HardLink { .. }
            | Cause::Special { .. }
            | Cause::Reserved(_)
            | Cause::Content(_)
            | Cause::ControlValue { .. }
            | Cause::Database(_)
            | Cause::TooLarge { .. } => {
                "an honest package has nothing like it: pin another version, and tell the \
                 distribution"
                    .to_owned()
            }
            Cause::OtherPackage(_) => {
                "the archive gave one package under the name of another: remove the file, and it \
                 is fetched again"
                    .to_owned()
            }
            _ => return None,
        })
    }
}
