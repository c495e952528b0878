//! Kernel modules of the initramfs.
//!
//! `/modules` is the list, written when the initramfs was made: one absolute path a line, in the
//! order in which they are loaded, so that what a module needs stands before it. Nothing here
//! knows of dependencies or hardware.

use std::fs::{self, File};
use std::path::Path;

use rustix::io::Errno;
use rustix::system::finit_module;

use crate::error::{Context, Result};

/// `MODULE_INIT_COMPRESSED_FILE` (linux/module.h): the kernel decompresses the file itself.
const COMPRESSED: i32 = 4;

/// The modules that `list` names.
pub(crate) fn list(list: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(list).on("read", list)?;
    Ok(paths(&text).map(str::to_owned).collect())
}

/// Loads one module. That the kernel has it built in, or that its hardware is not there, is no
/// error.
pub(crate) fn load(path: &str) -> Result<()> {
    let file = File::open(path).on("open", path)?;
    match finit_module(&file, c"", flags(path)) {
        // EEXIST: loaded or built in. ENODEV: a driver that found nothing to drive. ENOENT: it
        // builds upon such a driver; were it for another reason, the kernel names the symbols.
        Ok(()) | Err(Errno::EXIST | Errno::NODEV | Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno).on("load", path),
    }
}

fn paths(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn flags(path: &str) -> i32 {
    if path.ends_with(".ko") { 0 } else { COMPRESSED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_keeps_its_order_and_may_end_in_blank_lines() {
        let list = "/lib/modules/loop.ko.xz\n/lib/modules/dm-mod.ko\n\n";
        let all: Vec<_> = paths(list).collect();
        assert_eq!(all, ["/lib/modules/loop.ko.xz", "/lib/modules/dm-mod.ko"]);
    }

    #[test]
    fn only_a_compressed_module_is_given_to_the_kernel_as_one() {
        assert_eq!(flags("/m/loop.ko"), 0);
        assert_eq!(flags("/m/loop.ko.xz"), COMPRESSED);
        assert_eq!(flags("/m/loop.ko.zst"), COMPRESSED);
    }
}
