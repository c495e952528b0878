//! Hooks that are not run: those that make an initramfs.
//!
//! A generation has an initramfs of its own, so what they make would be removed again; and they ask
//! for the hardware of the machine that they run on (`/sys`), which no build has. alpm-hooks(5): a
//! hook that a later directory has under the same name takes the place of the earlier one, and one
//! without a trigger does nothing.

use std::fs;
use std::path::Path;

use super::survey::Surveyed;
use crate::error::Error;

/// What makes an initramfs, or runs what does (kernel-install(8)).
const MAKERS: [&str; 4] = ["mkinitcpio", "booster", "dracut", "kernel-install"];

/// Makes the directory of hooks that stand for those which are not run.
pub(super) fn write_masks(directory: &Path, packages: &[Surveyed]) -> Result<(), Error> {
    let write = |path: &Path, source| Error::Write { path: path.to_owned(), source };
    fs::create_dir(directory).map_err(|source| write(directory, source))?;
    for hook in packages.iter().flat_map(|it| &it.package.hooks) {
        if makes_initramfs(&hook.text) {
            let path = directory.join(&hook.name);
            fs::write(&path, "").map_err(|source| write(&path, source))?;
        }
    }
    Ok(())
}

/// Whether a hook's `Exec` names one of [`MAKERS`], as a program or as a part of its script's name.
fn makes_initramfs(hook: &str) -> bool {
    let settings = hook.lines().filter_map(|line| line.split_once('='));
    let mut commands = settings.filter(|(key, _)| key.trim() == "Exec").map(|(_, command)| command);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    commands.any(|command| {
        let mut words = command.split(|c| !is_word(c));
        words.any(|word| MAKERS.iter().any(|maker| word.starts_with(maker)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_told_by_what_they_run() {
        for exec in [
            "/usr/share/libalpm/scripts/mkinitcpio install",
            "/usr/share/libalpm/scripts/mkinitcpio-install",
            "/usr/bin/mkinitcpio -p linux",
            "/usr/lib/booster/regenerate_images",
            "/bin/sh -c 'exec /usr/bin/dracut --regenerate-all'",
            "/usr/share/libalpm/scripts/kernel-install add",
        ] {
            let hook = format!("[Trigger]\nTarget = x\n[Action]\nExec = {exec}\n");
            assert!(makes_initramfs(&hook), "{exec}");
            assert!(makes_initramfs(&hook.replace(" = ", "=")), "{exec}");
        }
        for hook in [
            "[Action]\nExec = /usr/share/libalpm/scripts/depmod\n",
            "[Trigger]\nTarget = usr/lib/initcpio/*\n[Action]\nDescription = mkinitcpio\nExec = /x\n",
        ] {
            assert!(!makes_initramfs(hook), "{hook}");
        }
    }
}
