//! Programs that packages' scripts call and that must not run in a build, or not then.
//!
//! While scripts run, each of these is covered by a stub; the tree's own file stays untouched. A
//! stub never keeps back what a script could need: where there is an answer, it is the program's.

use sandbox::RootCommand;

/// A program that is covered while scripts run.
pub(super) struct Stub {
    /// Its absolute path in the tree.
    pub(super) path: &'static str,
    /// What happens to its work.
    pub(super) fate: Fate,
}

/// What happens to the work of a covered program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is not wanted in an image, and has no answer.
    Dropped,
    /// It needs nothing but unpacked files: it is done beside the scripts, with these arguments.
    /// When packages call it whose names begin otherwise, it is done again at the end.
    Beside(Arguments, &'static [&'static str]),
    /// It is done when there is nothing yet at this path, and once more when all scripts have run
    /// if it was called again.
    Deferred(&'static str),
    /// This script decides; [`Stub::real`] is the program itself.
    Script(&'static str),
    /// It says which kernel runs: the image's.
    Kernel,
}

/// The arguments of a program that runs beside the scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arguments {
    /// These.
    Fixed(&'static [&'static str]),
    /// One run for each kernel, with its version.
    KernelVersion,
}

/// The directory of the tree where stubs note that there is work for the end.
pub(super) const MARKS: &str = "var/lib/dpkg/heirloom";

/// The kernel that runs where a tree has none: that of bookworm, as far as scripts ask.
const NO_KERNEL: &str = "6.1.0-0-none";

/// Makes the keys of a machine small: they are wanted for their existence, and taken away.
const SSH_KEYGEN: &str =
    "case \" $* \" in *' /etc/ssh/ssh_host_rsa_key '*' -t rsa '*) set -- \"$@\" -b 1024 ;; esac
exec \"$real\" \"$@\"
";

/// Waits only where something runs that one could wait for: a process that is neither one that
/// waits for this one nor dead.
const SLEEP: &str = "waiting=' 1 '
process=$$
while [ \"$process\" -gt 1 ]; do
    waiting=\"$waiting$process \"
    read -r stat < \"/proc/$process/stat\" || break
    stat=${stat##*) }
    stat=${stat#* }
    process=${stat%% *}
done
for process in /proc/[0-9]*; do
    case \"$waiting\" in *\" ${process#/proc/} \"*) continue ;; esac
    read -r stat 2>/dev/null < \"$process/stat\" || continue
    case \"${stat##*) }\" in Z*) ;; *) exec \"$real\" \"$@\" ;; esac
done
exit 0
";

/// The programs that are covered.
pub(super) const STUBS: [Stub; 9] = [
    // The initramfs of a generation is Heirloom's own; this one would be built twice over.
    Stub { path: "/usr/sbin/update-initramfs", fate: Fate::Dropped },
    // Host keys belong to a machine, not to an image; scripts show and read them all the same.
    Stub { path: "/usr/bin/ssh-keygen", fate: Fate::Script(SSH_KEYGEN) },
    // Compiled modules carry times, and are made again when they are missing.
    Stub { path: "/usr/bin/py3compile", fate: Fate::Dropped },
    // An index of manual pages, with times; man-db's timer makes it on a server.
    Stub { path: "/usr/bin/mandb", fate: Fate::Dropped },
    // libc6 waits for init to start itself again, others for services that do not run.
    Stub { path: "/usr/bin/sleep", fate: Fate::Script(SLEEP) },
    // Both read for seconds what packages have brought.
    Stub {
        path: "/usr/sbin/depmod",
        fate: Fate::Beside(Arguments::KernelVersion, &["linux-image-"]),
    },
    Stub {
        path: "/usr/bin/systemd-hwdb",
        fate: Fate::Beside(Arguments::Fixed(&["--usr", "update"]), &["udev", "systemd"]),
    },
    // Every package that brings a certificate would have the bundle made anew.
    Stub {
        path: "/usr/sbin/update-ca-certificates",
        fate: Fate::Deferred("/etc/ssl/certs/ca-certificates.crt"),
    },
    // Modules are built for the kernel that will run.
    Stub { path: "/usr/bin/uname", fate: Fate::Kernel },
];

impl Stub {
    /// The program's name.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Where a stub notes that the program has work at the end.
    pub(super) fn mark(&self) -> String {
        format!("{MARKS}/{}", self.name())
    }

    /// Where the covered program itself is found.
    fn real(&self) -> String {
        format!("{}/{}", RootCommand::COVERED, self.name())
    }

    /// What runs in the program's place, when the newest kernel of the tree is `kernel`.
    pub(super) fn script(&self, kernel: Option<&str>) -> String {
        let (real, mark) = (self.real(), self.mark());
        let script = match self.fate {
            Fate::Dropped => "exit 0\n".to_owned(),
            Fate::Script(script) => script.to_owned(),
            Fate::Beside(_, callers) => {
                let callers: Vec<String> = callers.iter().map(|it| format!("{it}*")).collect();
                let callers = callers.join("|");
                format!(
                    "case \"$DPKG_MAINTSCRIPT_PACKAGE\" in {callers}) ;; *) : > /{mark} ;; esac\n"
                )
            }
            Fate::Deferred(made) => {
                format!("[ -e {made} ] || exec \"$real\" \"$@\"\n: > /{mark}\n")
            }
            Fate::Kernel => uname(kernel.unwrap_or(NO_KERNEL)),
        };
        format!("#!/bin/sh\nreal={real}\n{script}")
    }
}

/// uname(1) with another kernel's release and version. What is no option of these is the program's
/// own to answer: help, errors.
fn uname(release: &str) -> String {
    format!(
        "s= n= r= v= m= p= i= o=
[ $# -gt 0 ] || s=y
for option; do
    case $option in
    --all) s=y n=y r=y v=y m=y o=y ;; --kernel-name) s=y ;; --nodename) n=y ;; --kernel-release) r=y ;;
    --kernel-version) v=y ;; --machine) m=y ;; --processor) p=y ;;
    --hardware-platform) i=y ;; --operating-system) o=y ;;
    --*) exec \"$real\" \"$@\" ;;
    -?*)
        case $option in -*[!asnrvmpio]*) exec \"$real\" \"$@\" ;; esac
        case $option in *a*) option=snrvmo ;; esac
        case $option in *s*) s=y ;; esac
        case $option in *n*) n=y ;; esac
        case $option in *r*) r=y ;; esac
        case $option in *v*) v=y ;; esac
        case $option in *m*) m=y ;; esac
        case $option in *p*) p=y ;; esac
        case $option in *i*) i=y ;; esac
        case $option in *o*) o=y ;; esac ;;
    *) exec \"$real\" \"$@\" ;;
    esac
done
set --
[ -z \"$s\" ] || set -- \"$@\" Linux
[ -z \"$n\" ] || set -- \"$@\" \"$(\"$real\" -n)\"
[ -z \"$r\" ] || set -- \"$@\" '{release}'
[ -z \"$v\" ] || set -- \"$@\" '#1 SMP'
[ -z \"$m\" ] || set -- \"$@\" \"$(\"$real\" -m)\"
[ -z \"$p\" ] || set -- \"$@\" unknown
[ -z \"$i\" ] || set -- \"$@\" unknown
[ -z \"$o\" ] || set -- \"$@\" GNU/Linux
echo \"$*\"
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_beside_dpkgs_own_files() {
        assert!(MARKS.starts_with(super::super::database::ADMIN));
    }

    #[test]
    fn every_program_is_covered_once() {
        let mut names: Vec<_> = STUBS.iter().map(Stub::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STUBS.len());
    }
}
