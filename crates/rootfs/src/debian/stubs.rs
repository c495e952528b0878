//! Programs that packages' scripts call and that must not run in a build, or not then.
//!
//! While scripts run, each of these is covered by a stub; the tree's own file stays untouched.

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
    /// It is not wanted in an image.
    Dropped,
    /// It needs nothing but unpacked files, and nothing of the scripts needs it: it is done beside
    /// them, with these arguments.
    Beside(Arguments),
    /// It is done once, when all scripts have run.
    Deferred,
}

/// The arguments of a program that runs beside the scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arguments {
    /// These.
    Fixed(&'static [&'static str]),
    /// One run for each kernel, with its version.
    KernelVersion,
}

/// What stands in for a covered program.
pub(super) const SCRIPT: &str = "#!/bin/sh\nexit 0\n";

/// The programs that are covered.
pub(super) const STUBS: [Stub; 9] = [
    // The initramfs of a generation is Heirloom's own; this one would be built twice over.
    Stub { path: "/usr/sbin/update-initramfs", fate: Fate::Dropped },
    // Host keys belong to a machine, not to an image.
    Stub { path: "/usr/bin/ssh-keygen", fate: Fate::Dropped },
    // Likewise the self-signed certificate, which has the build's host name in it.
    Stub { path: "/usr/sbin/make-ssl-cert", fate: Fate::Dropped },
    // Compiled modules carry times, and are made again when they are missing.
    Stub { path: "/usr/bin/py3compile", fate: Fate::Dropped },
    // An index of manual pages, with times; man-db's timer makes it on a server.
    Stub { path: "/usr/bin/mandb", fate: Fate::Dropped },
    // No service runs that one could wait for: libc6 waits for init to start itself again.
    Stub { path: "/usr/bin/sleep", fate: Fate::Dropped },
    // Both read for seconds what packages have brought.
    Stub { path: "/usr/sbin/depmod", fate: Fate::Beside(Arguments::KernelVersion) },
    Stub {
        path: "/usr/bin/systemd-hwdb",
        fate: Fate::Beside(Arguments::Fixed(&["--usr", "update"])),
    },
    // Every package that brings a certificate would have the bundle made anew.
    Stub { path: "/usr/sbin/update-ca-certificates", fate: Fate::Deferred },
];
