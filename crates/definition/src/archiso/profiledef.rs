//! profiledef.sh: what a profile says about the system, and about the medium.
//!
//! The names are those of archiso's `docs/README.profile.rst`.

use std::path::Path;

use super::report::{Left, Report, place};
use super::shell::{self, Element, Value, Word};
use super::text::Text;
use crate::{Mode, Origin, Problem, RootPath};

/// What a server needs of it.
#[derive(Debug)]
pub(super) struct ProfileDef {
    /// The file that lists the packages, relative to the profile.
    pub(super) packages: (String, Origin),
    /// pacman's configuration, relative to the profile; none: the host's.
    pub(super) pacman_conf: Option<(String, Origin)>,
    pub(super) permissions: Vec<FilePermission>,
}

/// An entry of `file_permissions`.
#[derive(Clone, Debug)]
pub(super) struct FilePermission {
    pub(super) path: RootPath,
    /// Whether it is about all that lies below the path as well.
    pub(super) recursive: bool,
    /// A number, or a name.
    pub(super) owner: String,
    /// A number, or a name.
    pub(super) group: String,
    /// None: not octal digits.
    pub(super) mode: Option<Mode>,
    pub(super) origin: Origin,
}

/// What there is no boot loader for any more.
const BOOT: [&str; 1] = ["bootmodes"];

/// What is said about the medium.
const MEDIUM: [&str; 11] = [
    "iso_name",
    "iso_label",
    "iso_publisher",
    "iso_application",
    "iso_version",
    "install_dir",
    "buildmodes",
    "airootfs_image_type",
    "airootfs_image_tool_options",
    "bootstrap_packages",
    "bootstrap_tarball_compression",
];

/// What the host's `uname -m` is taken for where the profile does not say.
const ARCHITECTURE: &str = "x86_64";

/// Reads the script of the profile in `root`.
pub(super) fn read(
    text: &Text,
    root: &Path,
    report: &mut Report,
) -> Result<ProfileDef, Vec<Problem>> {
    let script = shell::read(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader { text, problems: Vec::new() };
    let mut settings = Settings::default();
    for assignment in script.assignments {
        let origin = text.origin(assignment.span);
        let name = assignment.name.as_str();
        let at = || Some(place(root, &origin));
        match name {
            "arch" => settings.arch = reader.word(name, assignment.value, &origin),
            "packages" => settings.packages = reader.word(name, assignment.value, &origin),
            "pacman_conf" => settings.pacman_conf = reader.word(name, assignment.value, &origin),
            "file_permissions" => {
                if let Value::Array(_) = assignment.value
                    && !assignment.append
                {
                    settings.permissions.clear();
                }
                settings.permissions.extend(reader.permissions(assignment.value, &origin));
            }
            name if BOOT.contains(&name) => report.left(Left::BootLoader, name, at()),
            name if MEDIUM.contains(&name) => report.left(Left::Medium, name, at()),
            // Whatever it is for, mkarchiso does not ask for it.
            _ => {}
        }
    }
    for command in script.commands {
        let origin = text.origin(command);
        let message = format!("is not run: `{}`", origin.text.trim().escape_debug());
        report.decide(place(root, &origin), message);
    }
    let arch = settings.arch.unwrap_or_else(|| (ARCHITECTURE.to_owned(), Origin::file(&text.file)));
    if arch.0 != ARCHITECTURE {
        let message = format!("the archive has no packages for `{}`", arch.0.escape_debug());
        let hint = format!("Arch's archive by date has {ARCHITECTURE} only");
        reader.problems.push(Problem::new(&arch.1, message).hint(hint));
    }
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    let packages = (format!("packages.{ARCHITECTURE}"), Origin::file(&text.file));
    Ok(ProfileDef {
        packages: settings.packages.unwrap_or(packages),
        pacman_conf: settings.pacman_conf,
        permissions: settings.permissions,
    })
}

/// What was assigned last.
#[derive(Default)]
struct Settings {
    arch: Option<(String, Origin)>,
    packages: Option<(String, Origin)>,
    pacman_conf: Option<(String, Origin)>,
    permissions: Vec<FilePermission>,
}

struct Reader<'a> {
    text: &'a Text,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// A setting that is one word.
    fn word(&mut self, name: &str, value: Value, origin: &Origin) -> Option<(String, Origin)> {
        let Value::Word(word) = value else {
            let hint = format!("as in {name}=\"...\"");
            self.problems.push(Problem::new(origin, format!("`{name}` is one word")).hint(hint));
            return None;
        };
        let origin = self.text.origin(word.span.clone());
        self.known(word).map(|word| (word, origin))
    }

    /// The text of a word, if it is known without running anything.
    fn known(&mut self, word: Word) -> Option<String> {
        if word.text.is_none() {
            let hint = "profiledef.sh is read, not run: write plainly what it comes to";
            let problem = self.text.problem(word.span, "what this comes to is not known");
            self.problems.push(problem.hint(hint.to_owned()));
        }
        word.text
    }

    fn permissions(&mut self, value: Value, origin: &Origin) -> Vec<FilePermission> {
        let elements = match value {
            Value::Array(elements) => elements,
            Value::Element(element) => vec![element],
            Value::Word(_) => {
                let hint = r#"as in file_permissions=(["/etc/secret"]="0:0:600")"#.to_owned();
                let problem = Problem::new(origin, "`file_permissions` is an array with keys");
                self.problems.push(problem.hint(hint));
                return Vec::new();
            }
        };
        elements.into_iter().filter_map(|element| self.permission(element)).collect()
    }

    fn permission(&mut self, Element { key, value }: Element) -> Option<FilePermission> {
        let hint = || r#"as in ["/etc/secret"]="0:0:600": owner, group and mode"#.to_owned();
        let Some(key) = key else {
            let problem = self.text.problem(value.span, "this entry has no path");
            self.problems.push(problem.hint(hint()));
            return None;
        };
        let origin = self.text.origin(key.span.clone());
        let value_span = value.span.clone();
        let (path, value) = (self.known(key), self.known(value));
        let (path, value) = (path?, value?);
        let recursive = path.ends_with('/') && path != "/";
        let plain = if recursive { path.trim_end_matches('/') } else { &path };
        let path = match plain.parse::<RootPath>() {
            Ok(path) => path,
            Err(refused) => {
                let message = format!("`{}` {refused}", path.escape_debug());
                self.problems.push(Problem::new(&origin, message).hint(refused.hint));
                return None;
            }
        };
        let fields: Vec<&str> = value.split(':').collect();
        let [owner, group, mode] = fields[..] else {
            let message = format!("`{}` is not owner, group and mode", value.escape_debug());
            self.problems.push(self.text.problem(value_span, message).hint(hint()));
            return None;
        };
        let (owner, group) = (owner.to_owned(), group.to_owned());
        Some(FilePermission { path, recursive, owner, group, mode: mode.parse().ok(), origin })
    }
}
