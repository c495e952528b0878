//! The text of a new server.toml.

use std::fmt::Write as _;

use jiff::civil::Date;
use toml_edit::Value;

use super::declared::{Declared, User};
use super::ownership::{Owned, Ownership};
use super::package_list::Packages;

/// How long a line of packages may be.
const WIDTH: usize = 96;

/// What it says.
pub(super) struct Contents<'a> {
    pub(super) hostname: &'a str,
    pub(super) board: &'a str,
    /// None: the usual ones.
    pub(super) repositories: Option<&'a [String]>,
    pub(super) date: Date,
    pub(super) packages: &'a Packages,
    pub(super) declared: &'a Declared,
    pub(super) ownership: &'a Ownership,
    /// Homes that nothing is laid in.
    pub(super) homes: &'a [&'a User],
}

/// Writes the file. Writing to a `String` cannot fail: results of that are ignored.
pub(super) fn text(contents: &Contents<'_>) -> String {
    let Contents { hostname, board, date, packages, declared, ownership, .. } = contents;
    let mut text = format!("hostname = {}\nboard = {}\n\n", quoted(hostname), quoted(board));
    text.push_str("[archive]\ndistribution = \"arch\"\n");
    if let Some(repositories) = contents.repositories {
        let _ = writeln!(text, "repositories = [{}]", list(repositories));
    }
    let _ = writeln!(text, "date = \"{date}\" # a later day updates, an earlier one rolls back\n");
    if let Some(kernel) = &packages.kernel {
        let _ = writeln!(text, "[kernel]\npackage = {}\n", quoted(kernel));
    }
    install(&mut text, &packages.install);
    for user in &declared.users {
        push_user(&mut text, user);
    }
    for group in &declared.groups {
        let _ = writeln!(text, "[groups.{}]\n", group);
    }
    text.push_str(
        "[state] # what outlives a reboot: path on the server = its place below /state\n",
    );
    text.push_str("# \"/srv/data\" = \"data\"\n");
    for user in contents.homes {
        if let Some(home) = &user.home {
            let home = home.as_str();
            let _ = writeln!(text, "# {} = {}", quoted(home), quoted(home.trim_start_matches('/')));
        }
    }
    text.push_str("\n[permissions] # of what rootfs/ lays and git cannot carry\n");
    for (path, owned) in &ownership.permissions {
        let _ = writeln!(text, "{} = {{ {} }}", quoted(path.as_str()), fields(owned));
    }
    text
}

fn install(text: &mut String, packages: &[String]) {
    let one_line = format!("install = [{}]", list(packages));
    if one_line.len() <= WIDTH {
        let _ = writeln!(text, "[packages]\n{one_line}\n");
        return;
    }
    text.push_str("[packages]\ninstall = [\n");
    let mut line = String::new();
    for package in packages {
        let package = quoted(package);
        if !line.is_empty() && line.len() + package.len() + 4 > WIDTH {
            let _ = writeln!(text, " {line}");
            line.clear();
        }
        let _ = write!(line, " {package},");
    }
    let _ = writeln!(text, " {line}\n]\n");
}

fn push_user(text: &mut String, user: &User) {
    let _ = writeln!(text, "[users.{}]", user.name);
    if let Some(home) = &user.home {
        let _ = writeln!(text, "home = {}", quoted(home.as_str()));
    }
    if let Some(shell) = &user.shell {
        let _ = writeln!(text, "shell = {}", quoted(shell.as_str()));
    }
    if let Some(group) = &user.group {
        let _ = writeln!(text, "group = {}", quoted(group.as_str()));
    }
    if !user.groups.is_empty() {
        let groups: Vec<String> = user.groups.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "groups = [{}]", list(&groups));
    }
    if !user.comment.is_empty() {
        let _ = writeln!(text, "comment = {}", quoted(&user.comment));
    }
    text.push('\n');
}

fn fields(owned: &Owned) -> String {
    let owner = owned.owner.as_ref().map(|owner| ("owner", owner.to_string()));
    let group = owned.group.as_ref().map(|group| ("group", group.to_string()));
    let mode = owned.mode.map(|mode| ("mode", mode.to_string()));
    let fields = [owner, group, mode].into_iter().flatten();
    let fields: Vec<String> =
        fields.map(|(name, value)| format!("{name} = {}", quoted(&value))).collect();
    fields.join(", ")
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| self::quoted(text)).collect();
    quoted.join(", ")
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
