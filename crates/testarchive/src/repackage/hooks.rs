//! Hooks and scriptlets, named as Arch's are and written for this: users, module indexes, the
//! hardware database, the message catalog, temporary files.

use super::Repackaged;
use super::accounts::DBUS;
use crate::package::Package;

const SCRIPTS: &str = "usr/share/libalpm/scripts";

/// The hooks of systemd: the number and name, what they wait for, what the script is told.
const SYSTEMD: [(&str, &[&str], &str); 5] = [
    ("20-systemd-sysusers", &["usr/lib/sysusers.d/*.conf"], "sysusers"),
    ("30-systemd-catalog", &["usr/lib/systemd/catalog/*.catalog"], "catalog"),
    ("30-systemd-hwdb", &["usr/lib/udev/hwdb.d/*"], "hwdb"),
    ("30-systemd-tmpfiles", &["usr/lib/tmpfiles.d/*.conf"], "tmpfiles"),
    ("30-systemd-update", &["usr/"], "update"),
];

const SYSTEMD_SCRIPT: &str = "#!/bin/sh -e
case \"$1\" in
  sysusers) /usr/bin/systemd-sysusers ;;
  catalog) /usr/bin/journalctl --update-catalog ;;
  hwdb) /usr/bin/systemd-hwdb --usr update ;;
  tmpfiles) /usr/bin/systemd-tmpfiles --create ;;
  update) /usr/bin/touch -c /usr ;;
  *) echo \"nothing is known of $1\" >&2; exit 1 ;;
esac
";

const SYSTEMD_INSTALL: &str = "post_install() {
  systemd-machine-id-setup
}
";

const DEPMOD: &str = "[Trigger]
Type = Path
Operation = Install
Operation = Upgrade
Operation = Remove
Target = usr/lib/modules/*/
Target = !usr/lib/modules/*/?*

[Action]
Description = Updating module dependencies...
When = PostTransaction
Exec = /usr/share/libalpm/scripts/depmod
Depends = kmod
NeedsTargets
";

const DEPMOD_SCRIPT: &str = "#!/bin/sh -e
while read -r folder; do
  version=${folder#usr/lib/modules/}
  version=${version%/}
  if [ -e \"/usr/lib/modules/$version/modules.order\" ]; then
    /usr/sbin/depmod \"$version\"
  fi
done
";

const DBUS_USERS: &str = "usr/lib/sysusers.d/dbus.conf";

/// The groups of devices, which Debian's script of udev makes.
const DEVICES: &str = "g input - -\ng kvm - -\ng render - -\ng sgx - -\n";

const OPENSSH_USERS: &str = "g _ssh - -\nu sshd - \"OpenSSH\" /run/sshd /usr/sbin/nologin\n";

/// No number is known for the group before this runs.
const OPENSSH_INSTALL: &str = "post_install() {
  systemd-sysusers openssh.conf
  chgrp _ssh /usr/bin/ssh-agent
  chmod 2755 /usr/bin/ssh-agent
}

post_upgrade() {
  post_install
}
";

/// Gives the packages their hooks and scriptlets.
pub(super) fn complete(made: &mut Repackaged) {
    made.edit("systemd", |systemd| {
        let script = format!("{SCRIPTS}/systemd-hook");
        let systemd = systemd
            .file(&script, 0o755, SYSTEMD_SCRIPT)
            .file("usr/lib/sysusers.d/devices.conf", 0o644, DEVICES)
            .install(SYSTEMD_INSTALL)
            .depends("dash")
            .depends("coreutils");
        SYSTEMD.iter().fold(systemd, |systemd, (name, targets, what)| {
            systemd.hook(&format!("{name}.hook"), &hook(targets, what))
        })
    });
    made.edit("kmod", |kmod| {
        kmod.hook("60-depmod.hook", DEPMOD)
            .file(&format!("{SCRIPTS}/depmod"), 0o755, DEPMOD_SCRIPT)
            .depends("dash")
    });
    made.edit("dbus", |dbus| {
        let user = format!("u messagebus {DBUS} \"System Message Bus\"\n");
        dbus.file(DBUS_USERS, 0o644, user)
    });
    made.rewritten.insert(DBUS_USERS.into());
    made.edit("dash", |dash: Package| dash.provides("sh"));
    if made.packages.contains_key("openssh") {
        made.edit("openssh", |openssh| {
            openssh
                .file("usr/lib/sysusers.d/openssh.conf", 0o644, OPENSSH_USERS)
                .install(OPENSSH_INSTALL)
                .depends("systemd")
                .depends("coreutils")
                .depends("sh")
        });
    }
}

fn hook(targets: &[&str], what: &str) -> String {
    let targets: String = targets.iter().map(|target| format!("Target = {target}\n")).collect();
    format!(
        "[Trigger]\nType = Path\nOperation = Install\nOperation = Upgrade\nOperation = Remove\n\
         {targets}\n[Action]\nDescription = Running systemd-hook {what}...\n\
         When = PostTransaction\nExec = /{SCRIPTS}/systemd-hook {what}\n"
    )
}
