//! The kernel where Arch has it: beside its modules.

use super::Repackaged;

/// Where a path of Debian's is in Arch's packages.
pub(super) fn place(path: &str) -> String {
    match path.strip_prefix("boot/vmlinuz-") {
        Some(version) => format!("usr/lib/modules/{version}/vmlinuz"),
        None => path.to_owned(),
    }
}

/// Says which package the kernel is of, as mkinitcpio wants to know, and what it needs.
pub(super) fn complete(made: &mut Repackaged) {
    let kernels: Vec<String> = made.moved.values().cloned().collect();
    for vmlinuz in kernels {
        let pkgbase = vmlinuz.replace("/vmlinuz", "/pkgbase");
        made.edit("linux", |linux| {
            linux
                .description("The Linux kernel and modules")
                .file(&pkgbase, 0o644, "linux\n")
                .depends("coreutils")
                .depends("kmod")
                .depends("initramfs")
        });
    }
}
