//! The text of an entry.

use super::Name;
use crate::Entry;

/// What an entry begins with.
pub(super) const WHOLE: &[u8] = b"linux /";

/// The entry of a confirmed generation.
pub(super) fn confirmed(name: &Name, entry: &Entry) -> String {
    text(name, entry, &entry.title, &entry.cmdline)
}

/// The entry of a generation on trial.
pub(super) fn on_trial(name: &Name, entry: &Entry) -> String {
    text(name, entry, &format!("{} (trial)", entry.title), &entry.trial_cmdline)
}

fn text(name: &Name, entry: &Entry, title: &str, cmdline: &str) -> String {
    let (turn, linux, initrd) = (name.turn, entry.kernel_path(), entry.initramfs_path());
    format!(
        "linux /{linux}\n\
         title {title}\n\
         sort-key heirloom\n\
         version {turn}\n\
         initrd /{initrd}\n\
         options {cmdline}\n"
    )
}

/// The paths of the kernel and the initramfs that an entry names.
pub(super) fn files(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let path = |line: &str| {
        let path = line.strip_prefix("linux /").or_else(|| line.strip_prefix("initrd /"));
        path.map(str::to_owned)
    };
    text.lines().filter_map(path).collect()
}
