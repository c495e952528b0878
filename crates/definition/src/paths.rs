//! Paths on a server, and directories under `/state`.

use crate::names::{Refused, checked_text, shown};
use crate::replaced;

checked_text! {
    /// An absolute path on a server without `.`, `..`, doubled or trailing slashes; never `/`.
    RootPath, check_root_path
}

fn check_root_path(text: &str) -> Result<(), Refused> {
    let hint = "an absolute path; as in `/var/mail`";
    let Some(relative) = text.strip_prefix('/') else {
        return Err(Refused::new("is not absolute", hint));
    };
    if relative.is_empty() {
        return Err(Refused::new("is the whole file system", hint));
    }
    if relative.ends_with('/') {
        return Err(Refused::new("ends with `/`", "leave the last `/` out"));
    }
    if text.len() > 4095 {
        return Err(Refused::new("is longer than a path can be", hint));
    }
    if let Some(wrong) = text.chars().find(|c| c.is_control()) {
        return Err(Refused::new(format!("has {}", shown(wrong)), hint));
    }
    for component in relative.split('/') {
        match component {
            "" => return Err(Refused::new("has `//`", hint)),
            "." | ".." => {
                return Err(Refused::new(
                    format!("has the part `{component}`"),
                    "write the path that is meant, without `.` and `..`",
                ));
            }
            name if name.len() > 255 => {
                return Err(Refused::new("has a part longer than 255 bytes", hint));
            }
            _ => {}
        }
    }
    Ok(())
}

impl RootPath {
    /// The path without its first slash: relative to the root's directory.
    pub fn relative(&self) -> &str {
        &self.as_str()[1..]
    }

    /// Whether it is `other` or lies below it.
    pub fn is_within(&self, other: &str) -> bool {
        within(self.as_str(), other)
    }
}

/// Whether `path` is `other` or lies below it.
fn within(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Mount points of a running server: what a definition put there would be hidden.
const HIDDEN: [&str; 7] = ["/proc", "/sys", "/dev", "/run", "/tmp", "/imgs", "/state"];

/// Symlinks into `/usr` and `/run` in the root of Debian and Arch (usr-merge; hier(7)).
const LINKED: [(&str, &str); 7] = [
    ("/bin", "/usr/bin"),
    ("/sbin", "/usr/sbin"),
    ("/lib", "/usr/lib"),
    ("/lib32", "/usr/lib32"),
    ("/lib64", "/usr/lib64"),
    ("/var/run", "/run"),
    ("/var/lock", "/run/lock"),
];

/// Refuses a place where something laid by a definition would not be found on the server.
pub(crate) fn check_reachable(text: &str) -> Result<(), Refused> {
    for (link, target) in LINKED {
        if within(text, link) {
            let meant = format!("{target}{}", &text[link.len()..]);
            let message = format!("lies below `{link}`, a symlink to `{target}`");
            return Err(Refused { message, hint: Some(format!("write `{meant}`")) });
        }
    }
    match HIDDEN.into_iter().find(|hidden| within(text, hidden)) {
        Some(hidden) => Err(Refused {
            message: format!("lies below `{hidden}`, which is mounted anew at every boot"),
            hint: Some("systemd-tmpfiles makes files there: rootfs/etc/tmpfiles.d".to_owned()),
        }),
        None => Ok(()),
    }
}

checked_text! {
    /// A path whose content outlives a reboot: a [`RootPath`] where something can be kept.
    StatePath, check_state_path
}

fn check_state_path(text: &str) -> Result<(), Refused> {
    check_root_path(text)?;
    check_reachable(text)?;
    // With these kept, a new generation would run with the old one's programs or settings.
    if ["/etc", "/usr", "/var", "/boot", "/opt"].contains(&text) {
        return Err(Refused::new(
            "is too much to keep: a new generation would bring nothing new there",
            "name the directories that hold data; as in `/var/mail`",
        ));
    }
    replaced::check(text)
}

impl StatePath {
    /// The path without its first slash.
    pub fn relative(&self) -> &str {
        &self.as_str()[1..]
    }

    /// Whether it is `other` or lies below it.
    pub fn is_within(&self, other: &str) -> bool {
        within(self.as_str(), other)
    }
}

checked_text! {
    /// Where state lies under `/state`: a relative path such as `mail` or `lib/dbus`.
    StateDir, check_state_dir
}

fn check_state_dir(text: &str) -> Result<(), Refused> {
    let hint = "a name of letters, digits, `.`, `_` and `-`; as in `mail`, kept in /state/mail";
    if text.is_empty() {
        return Err(Refused::new("is empty", hint));
    }
    if text.starts_with('/') {
        return Err(Refused::new("is absolute: it is the name below /state", hint));
    }
    for component in text.split('/') {
        if component.is_empty() || component.starts_with('.') {
            return Err(Refused::new("has an empty part or one that begins with `.`", hint));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if let Some(wrong) = component.chars().find(|&c| !allowed(c)) {
            return Err(Refused::new(format!("has {}", shown(wrong)), hint));
        }
    }
    Ok(())
}

impl StateDir {
    /// Whether one of the two is the other or lies below it.
    pub fn overlaps(&self, other: &Self) -> bool {
        within(self.as_str(), other.as_str()) || within(other.as_str(), self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_paths_are_absolute_and_say_what_they_mean() {
        for good in ["/var/mail", "/srv/git", "/etc/machine-id", "/etc/ssh/keys", "/libx"] {
            assert!(good.parse::<StatePath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "var/mail",
            "/var/../etc",
            "/var/./x",
            "/var//x",
            "/var/mail/",
            "/a\nb",
            "/run/x",
            "/proc",
            "/tmp/a",
            "/state/x",
            "/var/run/x",
            "/lib/x",
            "/etc",
            "/..",
        ] {
            assert!(bad.parse::<StatePath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn state_directories_stay_below_state() {
        for good in ["mail", "lib/dbus", "a.b_c-d"] {
            assert!(good.parse::<StateDir>().is_ok(), "{good}");
        }
        for bad in ["", "/mail", "..", "a/../b", "a//b", "a/", ".hidden", "a b"] {
            assert!(bad.parse::<StateDir>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn overlap_is_of_directories_not_of_letters() {
        let dir = |text: &str| text.parse::<StateDir>().unwrap();
        assert!(dir("mail").overlaps(&dir("mail/queue")));
        assert!(!dir("mail").overlaps(&dir("mailqueue")));
    }
}
