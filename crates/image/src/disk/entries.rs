//! What the bootloaders read: the boot entry of the first generation.
//!
//! systemd-boot: The Boot Loader Specification, type #1. syslinux: its `syslinux.cfg`. The two
//! say the same.

use generation::cmdline::Data;

use crate::bundle::Bundle;

/// The name of the syslinux label, and of the entry. It has no trial counter: the first generation
/// has nothing to fall back to.
const LABEL: &str = "heirloom-1";
const ENTRY: &str = "loader/entries/heirloom-1.conf";

/// The speed of the serial console.
const BAUD: u32 = 115_200;

/// The folder of the generation's kernel and initramfs, without a slash before it.
pub(crate) fn folder(bundle: &Bundle) -> String {
    format!("heirloom/{}", bundle.manifest().digest().short())
}

/// The files of systemd-boot, path and text, for a generation whose blobs are on `data`.
pub(crate) fn systemd_boot(bundle: &Bundle, data: Data) -> [(&'static str, String); 2] {
    let folder = folder(bundle);
    let server = &bundle.config().server;
    let cmdline = bundle.cmdline(data);
    let entry = format!(
        "title Heirloom {server}\n\
         sort-key heirloom\n\
         version 1\n\
         linux /{folder}/linux\n\
         initrd /{folder}/initrd\n\
         options {cmdline}\n"
    );
    [(ENTRY, entry), ("loader/loader.conf", "timeout 1\n".into())]
}

/// syslinux's configuration for a generation whose blobs are on `data`.
pub(crate) fn syslinux(bundle: &Bundle, data: Data) -> String {
    let folder = folder(bundle);
    let cmdline = bundle.cmdline(data);
    // A second for a person to interrupt. What comes in on a noisy serial line stops syslinux's
    // first clock, and never the total one: a server comes up with nobody there.
    format!(
        "SERIAL 0 {BAUD}\n\
         DEFAULT {LABEL}\n\
         PROMPT 1\n\
         TIMEOUT 10\n\
         TOTALTIMEOUT 600\n\
         LABEL {LABEL}\n\
         KERNEL /{folder}/linux\n\
         INITRD /{folder}/initrd\n\
         APPEND {cmdline}\n"
    )
}
