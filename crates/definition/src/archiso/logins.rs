//! Files of airootfs that let somebody in, or make somebody root, without key or password.
//!
//! A live system does that on purpose; on a server whoever sits at its console would be root. What
//! does nothing else is not taken. What belongs to a larger configuration is taken and said.

use crate::RootPath;

/// What such a file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// It is not taken, with the reason.
    Refused(&'static str),
    /// It is taken, with what is to be looked at.
    Said(&'static str),
}

const AUTOLOGIN: Login = Login::Refused(
    "is not taken: it logs somebody in at the console without key or password. Lay it in rootfs/ if \
     that is meant",
);
const DEBUG_SHELL: Login = Login::Refused(
    "is not taken: it enables a root shell at the console without key or password. Lay it in \
     rootfs/ if that is meant",
);
const DESKTOP: Login = Login::Said("logs somebody in at the screen without key or password");
const SUDO: Login = Login::Said("lets somebody become root without a password");
const PAM: Login = Login::Said("lets somebody log in, or become root, without a password");
const POLKIT: Login = Login::Said("allows what root may do without a password");
const EMPTY: Login = Login::Said("lets those in over ssh whose password is empty");

/// Where units lie.
const UNITS: [&str; 3] =
    ["/etc/systemd/system", "/usr/lib/systemd/system", "/usr/local/lib/systemd/system"];

/// Display managers' configurations, with what each calls the user whom it logs in.
const DISPLAYS: [(&str, &str); 8] = [
    ("/etc/gdm", "AutomaticLogin"),
    ("/etc/sddm.conf", "User"),
    ("/etc/sddm.conf.d", "User"),
    ("/etc/lightdm", "autologin-user"),
    ("/etc/lxdm", "autologin"),
    ("/etc/greetd", "[initial_session]"),
    ("/etc/ly", "auto_login_user"),
    ("/etc/slim.conf", "auto_login"),
];

/// Shells that a unit may start at a terminal.
const SHELLS: [&str; 6] = ["sh", "bash", "zsh", "fish", "dash", "sulogin"];

/// What the symlink at `path` does.
pub(super) fn of_symlink(path: &RootPath, target: &str) -> Option<Login> {
    let name = |path: &str| path.rsplit('/').next() == Some("debug-shell.service");
    let enables = is_unit(path) && (name(path.as_str()) || name(target));
    enables.then_some(DEBUG_SHELL)
}

/// What the file at `path` does.
pub(super) fn of_file(path: &RootPath, text: &str) -> Option<Login> {
    let lines = || {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
    };
    let display = DISPLAYS.iter().find(|(place, _)| path.is_within(place));
    if is_unit(path) {
        return logs_in(text).then_some(AUTOLOGIN);
    }
    if let Some((_, key)) = display {
        let sets = |line: &str| match line.split_once('=') {
            Some((name, user)) => name.trim() == *key && !user.trim().is_empty(),
            // A section, or keys with blanks behind them.
            None => line.split_whitespace().next() == Some(key),
        };
        return lines().any(sets).then_some(DESKTOP);
    }
    if path.is_within("/etc/sudoers") || path.is_within("/etc/sudoers.d") {
        let free = |line: &str| line.contains("NOPASSWD") || line.contains("!authenticate");
        return lines().any(free).then_some(SUDO);
    }
    if path.is_within("/etc/doas.conf") {
        return lines().any(|line| words(line).any(|word| word == "nopass")).then_some(SUDO);
    }
    if path.is_within("/etc/pam.d") {
        return lines().any(pam_permits).then_some(PAM);
    }
    if path.is_within("/etc/polkit-1/rules.d") || path.is_within("/usr/share/polkit-1/rules.d") {
        return text.contains("polkit.Result.YES").then_some(POLKIT);
    }
    if path.is_within("/etc/ssh") {
        let empty = |line: &str| {
            let mut words = words(line).map(str::to_ascii_lowercase);
            words.next().as_deref() == Some("permitemptypasswords")
                && words.next().as_deref() == Some("yes")
        };
        return lines().any(empty).then_some(EMPTY);
    }
    None
}

fn is_unit(path: &RootPath) -> bool {
    UNITS.iter().any(|place| path.is_within(place))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty())
}

/// Whether a unit or a drop-in starts a session of somebody at a terminal: agetty(8), login(1).
fn logs_in(text: &str) -> bool {
    // systemd.syntax(7): a backslash at a line's end goes on in the next.
    let text = text.replace("\\\n", " ");
    let settings = || text.lines().filter_map(|line| line.trim().split_once('='));
    let at_terminal = settings()
        .any(|(key, value)| key.trim() == "StandardInput" && value.trim().starts_with("tty"));
    settings().filter(|(key, _)| key.trim().starts_with("Exec")).any(|(_, command)| {
        let command = command.trim().trim_start_matches(['-', '@', ':', '+', '!', '|']);
        let base = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
        let program = command.split_whitespace().next().map(base).unwrap_or_default();
        // The program may be started by another, as in `/usr/bin/env agetty`.
        let is = |name: &str| command.split_whitespace().any(|word| base(word) == name);
        let has = |short: char, long: &str| {
            command.split_whitespace().any(|word| {
                let word = word.trim_matches(['"', '\'']);
                let clustered = word
                    .strip_prefix('-')
                    .is_some_and(|rest| !rest.starts_with('-') && rest.contains(short));
                clustered || (!long.is_empty() && word.starts_with(long))
            })
        };
        ((is("agetty") || is("mingetty") || is("getty")) && has('a', "--autologin"))
            || (is("agetty") && has('n', "--skip-login"))
            || (is("login") && has('f', ""))
            || (at_terminal && SHELLS.contains(&program.as_str()))
    })
}

/// Whether a line of pam.d(5) lets everybody, or a group of those without a password, through.
fn pam_permits(line: &str) -> bool {
    let mut words = words(line);
    let is_auth = words.next().is_some_and(|kind| kind.trim_start_matches('-') == "auth");
    let enough = words.next().is_some_and(|control| control == "sufficient");
    let permits = ["pam_permit.so", "pam_succeed_if.so"];
    let trusts = line.contains("pam_wheel.so") && line.split_whitespace().any(|it| it == "trust");
    let module = words.next().unwrap_or_default();
    is_auth && enough && (trusts || permits.iter().any(|permit| module.ends_with(permit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> Option<Login> {
        of_file(&path.parse().unwrap(), text)
    }

    #[test]
    fn units_that_log_somebody_in_are_told_by_what_they_start() {
        let drop_in = "/etc/systemd/system/getty@tty1.service.d/autologin.conf";
        for command in [
            "-/usr/bin/agetty --noclear --autologin root - $TERM",
            "-/sbin/agetty -o '-p -f -- \\\\u' --noclear --autologin archie %I $TERM",
            "-/usr/bin/agetty -a root %I $TERM",
            "-/usr/bin/agetty -aroot %I $TERM",
            "-/usr/bin/agetty --noclear \\\n  --autologin root %I",
            "-/usr/bin/agetty -n -l /usr/bin/bash %I",
            "-/usr/bin/agetty --skip-login --login-program /bin/bash %I",
            "/bin/login -f root",
            "/usr/bin/env agetty --autologin=root tty1",
        ] {
            let text = format!("[Service]\nExecStart=\nExecStart={command}\n");
            assert_eq!(of(drop_in, &text), Some(AUTOLOGIN), "{command}");
        }
        let shell = "[Service]\nExecStart=-/bin/bash\nStandardInput=tty-force\nTTYPath=/dev/tty9\n";
        assert_eq!(of("/usr/lib/systemd/system/x.service", shell), Some(AUTOLOGIN));
        for text in [
            "[Service]\nExecStart=-/usr/bin/agetty --noclear %I $TERM\n",
            "[Service]\n# ExecStart=/usr/bin/agetty --autologin root\nExecStart=/usr/bin/x -a\n",
            "[Service]\nExecStart=/bin/bash /usr/local/bin/x --autologin\n",
            "[Service]\nExecStart=/usr/local/bin/login-form -f x\n",
        ] {
            assert_eq!(of(drop_in, text), None, "{text}");
        }
        let link = |path: &str, target| of_symlink(&path.parse().unwrap(), target);
        let wants = "/etc/systemd/system/sysinit.target.wants/debug-shell.service";
        assert_eq!(link(wants, "/usr/lib/systemd/system/debug-shell.service"), Some(DEBUG_SHELL));
        assert_eq!(link("/etc/systemd/system/getty@tty1.service", "/dev/null"), None);
    }

    #[test]
    fn other_ways_in_are_said() {
        for (path, text, login) in [
            ("/etc/gdm/custom.conf", "[daemon]\nAutomaticLogin=live\n", DESKTOP),
            ("/etc/sddm.conf.d/autologin.conf", "[Autologin]\nUser = live\n", DESKTOP),
            ("/etc/lightdm/lightdm.conf", "[Seat:*]\nautologin-user=live\n", DESKTOP),
            ("/etc/greetd/config.toml", "[initial_session]\ncommand = \"x\"\n", DESKTOP),
            ("/etc/sudoers.d/live", "%wheel ALL=(ALL) NOPASSWD: ALL\n", SUDO),
            ("/etc/sudoers", "Defaults:live !authenticate\n", SUDO),
            ("/etc/doas.conf", "permit nopass live\n", SUDO),
            ("/etc/pam.d/su", "auth\tsufficient\tpam_permit.so\n", PAM),
            ("/etc/pam.d/sddm", "auth sufficient pam_succeed_if.so user ingroup autologin\n", PAM),
            ("/etc/polkit-1/rules.d/1.rules", "return polkit.Result.YES;\n", POLKIT),
            ("/etc/ssh/sshd_config.d/1.conf", "PermitEmptyPasswords yes\n", EMPTY),
        ] {
            assert_eq!(of(path, text), Some(login), "{path}");
            let commented: String = text.lines().map(|line| format!("# {line}\n")).collect();
            let is_code = path.ends_with(".rules");
            assert!(is_code || of(path, &commented).is_none(), "{path}");
        }
        assert_eq!(of("/etc/lightdm/lightdm.conf", "autologin-user=\n"), None);
        assert_eq!(of("/usr/share/doc/x", "agetty --autologin root NOPASSWD"), None);
    }
}
