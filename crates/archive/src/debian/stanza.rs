//! One package of a `Packages` index (deb-control(5); Debian repository format).

use std::borrow::Cow;

use deb822_fast::borrowed::{BorrowedParagraph, parse_borrowed};
use digest::Digest;
use lock::debian::{is_package_name, is_qualifier};

use super::mentions::Mentions;

/// Multi-Arch: what a package may do for packages of other architectures (deb-control(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum MultiArch {
    #[default]
    No,
    /// May be there several times, once an architecture, in the same version.
    Same,
    /// Satisfies packages of every architecture.
    Foreign,
    /// Satisfies packages of every architecture that ask for `:any`.
    Allowed,
}

/// How important a package is to the archive, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Priority {
    Required,
    Important,
    Standard,
    Optional,
    #[default]
    Extra,
}

/// One version of a package.
#[derive(Debug)]
pub(crate) struct Stanza<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) architecture: &'a str,
    pub(crate) multi_arch: MultiArch,
    pub(crate) essential: bool,
    pub(crate) priority: Priority,
    pub(crate) pre_depends: Cow<'a, str>,
    pub(crate) depends: Cow<'a, str>,
    pub(crate) recommends: Cow<'a, str>,
    pub(crate) conflicts: Cow<'a, str>,
    pub(crate) breaks: Cow<'a, str>,
    pub(crate) provides: Cow<'a, str>,
    pub(crate) path: &'a str,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
}

/// Why a stanza is not understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StanzaError {
    #[error("it is no control file: {0}")]
    Syntax(String),
    #[error("a package has no `{0}`")]
    Missing(&'static str),
    #[error("package {package} has a `{field}` that is not understood: `{value}`")]
    Field { package: String, field: &'static str, value: String },
}

/// Reads a whole `Packages` file, in its order.
pub(crate) fn parse<'a>(
    text: &'a str,
    mentions: &mut Mentions<'a>,
) -> Result<Vec<Stanza<'a>>, StanzaError> {
    let mut stanzas = Vec::with_capacity(text.len() / 800);
    // A paragraph at a time: the parser's form of the whole file would take ten times its size.
    for paragraph in text.split("\n\n") {
        let read =
            parse_borrowed(paragraph).map_err(|error| StanzaError::Syntax(error.to_string()))?;
        for paragraph in &read {
            let stanza = Stanza::read(paragraph)?;
            mentions.add(stanza.name, paragraph);
            stanzas.push(stanza);
        }
    }
    Ok(stanzas)
}

impl<'a> Stanza<'a> {
    fn read(paragraph: &BorrowedParagraph<'a>) -> Result<Self, StanzaError> {
        let name = paragraph.get_single("Package").ok_or(StanzaError::Missing("Package"))?;
        let mut stanza = Self {
            name,
            version: "",
            architecture: "",
            multi_arch: MultiArch::default(),
            essential: false,
            priority: Priority::default(),
            pre_depends: Cow::Borrowed(""),
            depends: Cow::Borrowed(""),
            recommends: Cow::Borrowed(""),
            conflicts: Cow::Borrowed(""),
            breaks: Cow::Borrowed(""),
            provides: Cow::Borrowed(""),
            path: "",
            size: 0,
            sha256: Digest::from([0; 32]),
        };
        let mut has = Required::default();
        for field in paragraph.iter() {
            let single = field.as_single_line().unwrap_or_default();
            let wrong = |field: &'static str| StanzaError::Field {
                package: name.to_owned(),
                field,
                value: single.to_owned(),
            };
            let folded = || match field.as_single_line() {
                Some(line) => Cow::Borrowed(line),
                None => Cow::Owned(field.join()),
            };
            match field.name() {
                "Package" if !is_package_name(name) => return Err(wrong("Package")),
                "Version" => stanza.version = single,
                "Architecture" if is_qualifier(single) => stanza.architecture = single,
                "Architecture" => return Err(wrong("Architecture")),
                "Multi-Arch" => {
                    stanza.multi_arch =
                        MultiArch::parse(single).ok_or_else(|| wrong("Multi-Arch"))?;
                }
                "Essential" => stanza.essential = single == "yes",
                "Priority" => stanza.priority = Priority::parse(single),
                "Pre-Depends" => stanza.pre_depends = folded(),
                "Depends" => stanza.depends = folded(),
                "Recommends" => stanza.recommends = folded(),
                "Conflicts" => stanza.conflicts = folded(),
                "Breaks" => stanza.breaks = folded(),
                "Provides" => stanza.provides = folded(),
                "Filename" => stanza.path = single,
                "Size" => {
                    stanza.size = single.parse().map_err(|_| wrong("Size"))?;
                    has.size = true;
                }
                "SHA256" => {
                    stanza.sha256 = Digest::from_hex(single).map_err(|_| wrong("SHA256"))?;
                    has.sha256 = true;
                }
                _ => {}
            }
        }
        has.check(&stanza)?;
        Ok(stanza)
    }
}

#[derive(Default)]
struct Required {
    size: bool,
    sha256: bool,
}

impl Required {
    fn check(&self, stanza: &Stanza<'_>) -> Result<(), StanzaError> {
        let missing = match () {
            () if stanza.version.is_empty() => "Version",
            () if stanza.architecture.is_empty() => "Architecture",
            () if stanza.path.is_empty() => "Filename",
            () if !self.size => "Size",
            () if !self.sha256 => "SHA256",
            () => return Ok(()),
        };
        Err(StanzaError::Field {
            package: stanza.name.to_owned(),
            field: missing,
            value: String::new(),
        })
    }
}

impl MultiArch {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "no" => Self::No,
            "same" => Self::Same,
            "foreign" => Self::Foreign,
            "allowed" => Self::Allowed,
            _ => return None,
        })
    }
}

impl Priority {
    fn parse(text: &str) -> Self {
        match text {
            "required" => Self::Required,
            "important" => Self::Important,
            "standard" => Self::Standard,
            "optional" => Self::Optional,
            _ => Self::Extra,
        }
    }
}
