//! A lock that is new: its packages are configured a second time, in other surroundings, and what
//! differs is named. Once: the outcome is kept under the key of the tree.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use definition::Server;
use rootfs::tarball;
use stage::Inputs;

use crate::packages::{read_json, text_of};
use crate::verify::{SURROUNDINGS, strange};
use crate::{Built, Error, Session, Warning, difference, first_boot, locking, tree};

/// Goes up when more is compared.
const VERSION: u32 = 1;

/// Where the outcome is.
const OUTCOME: &str = "differences.json";

/// The most differences that are told.
const TOLD: usize = 20;

/// What two builds of the packages of `built` made differently.
pub(crate) fn compare(
    session: &Session,
    server: &Server,
    built: &Built,
    program: &Path,
) -> Result<Vec<Warning>, Error> {
    let inputs = Inputs::new("compared", VERSION).digest("tree", built.tree_key);
    let done = session.cache.run(server.name.as_str(), &inputs, |out| {
        let name = &server.name;
        let message = format!("the packages of {name} with a second build: their lock is new");
        progress::done("Comparing", message);
        let elsewhere = session.cache.root().join("compare").join(name.as_str());
        remove(&elsewhere)?;
        let other = again(session, server, program, &elsewhere)?;
        let differences = told(&built.tree, &other)?;
        remove(&elsewhere)?;
        let outcome = out.join(OUTCOME);
        fs::write(&outcome, text_of(&differences)).map_err(Error::io("write", &outcome))
    })?;
    read_json(&done.dir.join(OUTCOME))
}

/// Makes the package tree in a process with other surroundings, and results of its own.
fn again(
    session: &Session,
    server: &Server,
    program: &Path,
    elsewhere: &Path,
) -> Result<PathBuf, Error> {
    let home = elsewhere.join("home").to_string_lossy().into_owned();
    let mut command = Command::new(program);
    command
        .args(["image", server.name.as_str(), "--quiet", "--no-record", SURROUNDINGS])
        .arg("--only-packages")
        .arg(elsewhere)
        .args(session.flags())
        .current_dir(session.workspace.root())
        .env("HEIRLOOM_CACHE", session.store.cache_dir());
    let output = strange(&mut command, &home)?
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(Error::io("start", program))?;
    if !output.status.success() {
        return Err(Error::Build { server: server.name.to_string() });
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|source| Error::Damaged { path: program.to_owned(), source })
}

/// The archive of the package tree of `server`, for `compare` in another process.
///
/// # Errors
/// Those of the lock and of the stage.
pub fn only_packages(session: &Session, server: &Server) -> Result<PathBuf, Error> {
    let lock = locking::current(&session.store, server, session.locked)?;
    let tools = session.tools()?;
    let own = first_boot::rows(server, &lock)?;
    Ok(tree::tree(session, &tools, server, &lock, own)?.tar())
}

/// The differences between two trees, each with the scripts that may have made it.
fn told(one: &Path, other: &Path) -> Result<Vec<Warning>, Error> {
    let mut lines = difference::all(one, other)?;
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    lines.truncate(TOLD);
    let scripts = scripts(one)?;
    let told = lines.into_iter().map(|difference| {
        let path = difference.split(": ").next().unwrap_or_default();
        Warning::Differs { scripts: writers(path, &scripts), difference }
    });
    Ok(told.collect())
}

/// Scripts by what they are called: `bind9.postinst`.
type Scripts = BTreeMap<String, String>;

/// What packages of a tree ran.
fn scripts(tree: &Path) -> Result<Scripts, Error> {
    let mut scripts = Scripts::new();
    let file = File::open(tree).map_err(Error::io("open", tree))?;
    tarball::read(BufReader::new(file), |header, content| -> io::Result<()> {
        if let Some(name) = script(&header.shown()) {
            let mut text = Vec::new();
            content.read_to_end(&mut text)?;
            scripts.insert(name, String::from_utf8_lossy(&text).into_owned());
        }
        Ok(())
    })
    .map_err(Error::io("read", tree))?;
    Ok(scripts)
}

/// What the script at a path is called, if there is one: of dpkg, of pacman, a hook.
fn script(path: &str) -> Option<String> {
    if let Some(name) = path.strip_prefix("/var/lib/dpkg/info/") {
        let is_script = [".preinst", ".postinst", ".config"].iter().any(|end| name.ends_with(end));
        return is_script.then(|| name.to_owned());
    }
    if let Some(name) = path.strip_prefix("/var/lib/pacman/local/") {
        return name.strip_suffix("/install").map(|package| format!("{package}.install"));
    }
    path.strip_prefix("/usr/share/libalpm/hooks/").map(str::to_owned)
}

/// The scripts that name a path, or else the nearest directory above it that any of them names.
fn writers(path: &str, scripts: &Scripts) -> Vec<String> {
    // Everybody's directories say nothing: /etc, /var/lib.
    let worth =
        |path: &&Path| path.components().count() > if path.starts_with("/etc") { 2 } else { 3 };
    for named in Path::new(path).ancestors().take_while(worth) {
        let named = named.to_string_lossy();
        let naming = scripts.iter().filter(|(_, text)| names(text, &named));
        let found: Vec<String> = naming.map(|(name, _)| name.clone()).take(3).collect();
        if !found.is_empty() {
            return found;
        }
    }
    // Scripts put paths together: a name of its own is better than nothing.
    let name = path.rsplit('/').next().unwrap_or_default();
    let naming = scripts.iter().filter(|(_, text)| name.len() > 4 && names(text, name));
    naming.map(|(name, _)| name.clone()).take(3).collect()
}

/// Whether a text has a path as a whole: not as the beginning of another name.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let next = text[at + path.len()..].chars().next();
        next.is_none_or(|next| !next.is_alphanumeric() && !"._-".contains(next))
    })
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts() -> Scripts {
        let scripts = [
            ("bind9.postinst", "[ -s /etc/bind/rndc.key ] || rndc-confgen -a\n"),
            ("bind9-utils.postinst", "rm -f /etc/bind/rndc.key.old\n"),
            ("dropbear.postinst", "keyfile=\"/etc/dropbear/dropbear_${keytype}_host_key\"\n"),
            ("x.postinst", "mkdir -p /var/lib/x/data; xdb --init \"$dir\"/fresh.mdb\n"),
        ];
        scripts.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
    }

    #[test]
    fn the_script_that_names_a_path_has_written_it() {
        assert_eq!(writers("/etc/bind/rndc.key", &scripts()), ["bind9.postinst"]);
        assert_eq!(writers("/var/lib/x/data/deep/id", &scripts()), ["x.postinst"]);
        let key = "/etc/dropbear/dropbear_rsa_host_key";
        assert_eq!(writers(key, &scripts()), ["dropbear.postinst"]);
        assert_eq!(writers("/srv/elsewhere/fresh.mdb", &scripts()), ["x.postinst"]);
        assert!(writers("/srv/id", &scripts()).is_empty());
    }

    #[test]
    fn scripts_are_those_of_either_distribution() {
        for (path, name) in [
            ("/var/lib/dpkg/info/bind9.postinst", Some("bind9.postinst")),
            ("/var/lib/dpkg/info/bind9.list", None),
            ("/var/lib/pacman/local/bind-9.20-1/install", Some("bind-9.20-1.install")),
            ("/usr/share/libalpm/hooks/x.hook", Some("x.hook")),
            ("/etc/passwd", None),
        ] {
            assert_eq!(script(path).as_deref(), name, "{path}");
        }
    }
}
