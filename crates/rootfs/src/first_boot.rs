//! Units that make, at first boot, what belongs to one machine: keys, ids, certificates, databases.
//!
//! A path is made under another name, synced and renamed: what is there is whole, whenever the
//! power fails, and a unit whose work is done or has failed does nothing more until the next boot.
//!
//! ```text
//! path lies in state       made there
//! path is state (mounted)  a directory: filled by renames, a mark inside says that it is not whole
//! any other file           made in a directory of state, STATE + path; the image has a link to it
//! any other directory      made in the image's memory, anew at each boot
//! ```

use std::fmt::Write as _;

use crate::config::{Overlay, Source};
use crate::error::Error;

/// What files are kept in that are in no state themselves. The role `base` declares it.
pub const STATE: &str = "/var/lib/first-boot";

const UNITS: &str = "/etc/systemd/system";

/// The longest name of a unit, in bytes: unit_name_is_valid() of systemd.
const LONGEST_NAME: usize = 255;

/// What is made at first boot. All paths are absolute paths of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Where programs look for it.
    pub path: String,
    /// The program that makes it and its arguments, with `{new}` for the path to be made and
    /// `{hostname}` for the host's name. Without `{new}`, what the program says is the file. None
    /// for what its service makes: it is only taken out.
    pub make: Vec<String>,
    /// Whether it is a directory, which is empty in the image.
    pub directory: bool,
    /// Names of files that the program makes beside it.
    pub beside: Vec<String>,
    /// What it is kept in, instead of [`STATE`].
    pub state: Option<String>,
    /// The units that need it.
    pub before: Vec<String>,
    /// Paths of others that it is made from.
    pub needs: Vec<String>,
    /// Its owner's name.
    pub owner: Option<String>,
    /// Its group's name.
    pub group: Option<String>,
    /// Its mode.
    pub mode: Option<u32>,
}

/// The paths that no image has a content at: a file is taken out, a directory is emptied.
pub fn taken_out(own: &[Own]) -> Vec<String> {
    let beside = |own: &Own| -> Vec<String> {
        own.beside.iter().map(|name| format!("{}/{name}", parent(&own.path))).collect()
    };
    let mut paths: Vec<String> =
        own.iter().flat_map(|own| [vec![own.path.clone()], beside(own)].concat()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// What the config layer has for these: units, their links, and links to what is kept elsewhere.
/// `state` are the places of state.
///
/// # Errors
/// [`Error::Path`] for one that nothing can keep.
pub fn overlay(own: &[Own], state: &[String]) -> Result<Vec<Overlay>, Error> {
    let mut laid = Vec::new();
    for own in own.iter().filter(|own| !own.make.is_empty()) {
        let place = place(own, state)?;
        let name = unit_name(&own.path)?;
        let file = format!("{UNITS}/{name}");
        let services = own.before.iter().filter(|unit| unit.ends_with(".service"));
        let wanting = services.map(|unit| format!("{UNITS}/{unit}.requires"));
        for wanting in std::iter::once(format!("{UNITS}/multi-user.target.wants")).chain(wanting) {
            laid.push(link(format!("{wanting}/{name}"), file.clone()));
        }
        if let Place::Elsewhere(kept) = &place {
            laid.push(link(own.path.clone(), kept.clone()));
            for name in &own.beside {
                let [path, kept] = [&own.path, kept].map(|at| format!("{}/{name}", parent(at)));
                laid.push(link(path, kept));
            }
        }
        let bytes = unit(own, &place)?.into_bytes();
        laid.push(Overlay { path: file, source: Source::Bytes { bytes, executable: false } });
    }
    Ok(laid)
}

fn link(path: String, target: String) -> Overlay {
    Overlay { path, source: Source::Symlink(target) }
}

/// Where something is made.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// At its own path.
    Here,
    /// At its own path, on which state is mounted.
    Mounted,
    /// There; its own path is a link.
    Elsewhere(String),
}

fn place(own: &Own, state: &[String]) -> Result<Place, Error> {
    let wrong = |reason: String, hint: String| {
        Err(Error::Path { path: own.path.clone(), reason, hint: Some(hint) })
    };
    if state.contains(&own.path) {
        return match own.directory {
            true => Ok(Place::Mounted),
            false => wrong(
                "it is made at first boot, and is declared as state itself".to_owned(),
                format!(
                    "declare the directory {} as state, or leave the entry of [state] out",
                    parent(&own.path)
                ),
            ),
        };
    }
    let is_kept = |path: &str| state.iter().any(|state| is_within(path, state));
    if is_kept(&own.path) || (own.directory && own.state.is_none()) {
        return Ok(Place::Here);
    }
    let kept_in = own.state.as_deref().unwrap_or(STATE);
    if own.directory {
        return wrong(
            "a directory that is made at first boot can only be kept as state itself".to_owned(),
            format!("declare {} as state, and leave `state` out", own.path),
        );
    }
    if !is_kept(kept_in) {
        return wrong(
            format!("it is made at first boot, and {kept_in}, where it would be kept, is no state"),
            format!(
                "depend on the role `base`, or declare it: [state] \"{kept_in}\" = \"first-boot\""
            ),
        );
    }
    Ok(Place::Elsewhere(format!("{kept_in}{}", own.path)))
}

fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn unit(own: &Own, place: &Place) -> Result<String, Error> {
    let kept = match place {
        Place::Here | Place::Mounted => own.path.as_str(),
        Place::Elsewhere(kept) => kept,
    };
    let mut needed = Vec::new();
    for path in &own.needs {
        needed.push(unit_name(path)?);
    }
    let plain = kept.replace('%', "%%");
    let conditions = match (place, own.directory) {
        (Place::Mounted, _) => {
            format!("ConditionPathExists=|{plain}/{MARK}\nConditionDirectoryNotEmpty=|!{plain}\n")
        }
        (_, true) => format!("ConditionDirectoryNotEmpty=!{plain}\n"),
        (_, false) => format!("ConditionPathExists=!{plain}\n"),
    };
    let spaced = |units: &[String]| units.iter().fold(String::new(), |all, unit| all + " " + unit);
    let mut text = format!(
        "[Unit]\n\
         Description=Make {}, which is this machine's own\n\
         DefaultDependencies=no\n\
         {conditions}\
         RequiresMountsFor={}\n",
        own.path.replace('%', "%%"),
        quoted(kept),
    );
    if !needed.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Requires={}", spaced(&needed).trim_start());
    }
    let _ = write!(
        text,
        "After=local-fs.target systemd-tmpfiles-setup.service{}\n\
         Before=shutdown.target{}\n\
         Conflicts=shutdown.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         UMask=0022\n",
        spaced(&needed),
        spaced(&own.before),
    );
    for command in commands(own, place, kept) {
        let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
        let _ = writeln!(text, "ExecStart={}", words.join(" "));
    }
    let _ = write!(text, "\n[Install]\nWantedBy=multi-user.target\n");
    Ok(text.replace(HOSTNAME, "%H"))
}

/// What stands for the host's name, for which systemd has a specifier.
const HOSTNAME: &str = "{hostname}";

/// What says, within a directory that is mounted, that it is being made.
const MARK: &str = ".first-boot";

fn commands(own: &Own, place: &Place, kept: &str) -> Vec<Vec<String>> {
    let (above, name) = (parent(kept), kept.rsplit('/').next().unwrap_or(kept));
    let room = match place {
        Place::Mounted => format!("{kept}/{MARK}"),
        _ => format!("{above}/.{name}.new"),
    };
    let new = format!("{room}/{name}");
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut run = |words: &[&str]| commands.push(words.iter().map(|it| (*it).to_owned()).collect());
    match place {
        // Nothing is lost: it is empty, or was never whole.
        Place::Mounted => run(&["/usr/bin/find", kept, "-mindepth", "1", "-delete"]),
        _ => {
            run(&["/usr/bin/rm", "-rf", &room]);
            run(&["/usr/bin/mkdir", "-p", above]);
        }
    }
    // Another user's program may have to reach a directory that it fills.
    run(&["/usr/bin/mkdir", "-m", if own.directory { "0711" } else { "0700" }, &room]);
    let owner = own.owner.as_deref().unwrap_or("root");
    let owner = format!("{owner}:{}", own.group.as_deref().unwrap_or("root"));
    let mode = format!("{:04o}", own.mode.unwrap_or(if own.directory { 0o700 } else { 0o600 }));
    if own.directory {
        run(&["/usr/bin/mkdir", &new]);
        run(&["/usr/bin/chown", &owner, &new]);
        run(&["/usr/bin/chmod", &mode, &new]);
    }
    let make: Vec<String> = own.make.iter().map(|word| word.replace("{new}", &new)).collect();
    let make: Vec<&str> = make.iter().map(String::as_str).collect();
    if own.make.iter().any(|word| word.contains("{new}")) {
        run(&make);
    } else {
        run(&[&["/bin/sh", "-c", r#"exec "$@" >"$0""#, &new], &make[..]].concat());
    }
    if !own.directory {
        run(&["/usr/bin/chown", &owner, &new]);
        run(&["/usr/bin/chmod", &mode, &new]);
    }
    run(&["/usr/bin/sync", "-f", &room]);
    for name in &own.beside {
        run(&["/usr/bin/mv", "-f", &format!("{room}/{name}"), &format!("{above}/{name}")]);
    }
    match place {
        Place::Mounted => {
            let into = ["-mindepth", "1", "-maxdepth", "1", "-exec", "/usr/bin/mv", "-t", kept];
            run(&[&["/usr/bin/find", &new], &into[..], &["{}", "+"]].concat());
            run(&["/usr/bin/sync", "-f", kept]);
        }
        _ => run(&["/usr/bin/mv", "-f", "-T", &new, kept]),
    }
    run(&["/usr/bin/rm", "-rf", &room]);
    run(&["/usr/bin/sync", "-f", if *place == Place::Mounted { kept } else { above }]);
    commands
}

/// The name of the unit that makes a path, escaped as systemd-escape(1) does it.
fn unit_name(path: &str) -> Result<String, Error> {
    let mut name = String::from("first-boot-");
    for byte in path.trim_start_matches('/').bytes() {
        match byte {
            b'/' => name.push('-'),
            b'.' | b'_' | b':' => name.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            // Writing to a String cannot fail.
            byte => drop(write!(name, "\\x{byte:02x}")),
        }
    }
    name.push_str(".service");
    if name.len() > LONGEST_NAME {
        let reason = "it is too long for the name of a unit that makes it".to_owned();
        return Err(Error::Path { path: path.to_owned(), reason, hint: None });
    }
    Ok(name)
}

/// A word of a command line or a list in a unit: systemd.syntax(7), systemd.service(5).
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' | '$' => quoted.extend([c, c]),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
