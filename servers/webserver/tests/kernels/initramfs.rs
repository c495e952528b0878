//! What an initramfs has, compared with what modprobe finds on the server itself.

use std::collections::BTreeSet;
use std::fs::File;

use anyhow::{Context, Result, ensure};
use image::Bundle;
use testbed::Online;

/// What init asks for on any machine, whatever the board.
const NEEDED: [&str; 7] =
    ["overlay", "loop", "dm-verity", "crypto-sha256", "ext4", "isofs", "squashfs"];

/// The modules of an initramfs.
pub(crate) struct Initramfs {
    /// The kernel's release.
    pub(crate) release: String,
    modules: BTreeSet<String>,
}

impl Initramfs {
    /// That of a generation.
    pub(crate) fn of(bundle: &Bundle) -> Result<Self> {
        let file = File::open(bundle.initramfs()).context("opening the initramfs")?;
        let cpio = zstd::decode_all(file)?;
        let text = String::from_utf8_lossy(&cpio);
        let names = text.lines().filter_map(|line| line.strip_prefix("module ")?.split(' ').next());
        let (_, vermagic) = text.split_once("vermagic=").context("there is no module in it")?;
        let release = vermagic.split(' ').next().unwrap_or_default().to_owned();
        Ok(Self { release, modules: names.map(str::to_owned).collect() })
    }

    /// Compares it with what modprobe of `server`, which runs this kernel, would load for the names,
    /// aliases and folders that init and the board ask for.
    pub(crate) fn is_what_modprobe_finds(&self, server: &Online<'_>) -> Result<()> {
        let board = include_str!("../../../../boards/pc/board.toml");
        let (_, initramfs) =
            board.split_once("[initramfs]").context("the board asks for nothing")?;
        let asked = initramfs.lines().map(|line| line.split('#').next().unwrap_or_default());
        let asked: Vec<&str> = asked.flat_map(|line| line.split('"').skip(1).step_by(2)).collect();
        let (folders, names): (Vec<&str>, Vec<&str>) =
            asked.into_iter().partition(|name| name.ends_with('/'));
        let names: Vec<&str> = names.into_iter().chain(NEEDED).collect();
        // modprobe stops at a name that it does not find, so each is asked for on its own.
        let command = format!(
            "cd /lib/modules/$(uname -r)/kernel && {{ echo {} | tr ' ' '\\n'; \
             for folder in {}; do find $folder -name '*.ko*' -printf '%f\\n' 2>/dev/null; done; }} \
             | sed 's/\\.ko.*//' | while read name; do \
             modprobe --quiet --show-depends -- $name; done | sed -n 's/^insmod //p'; true",
            names.join(" "),
            folders.join(" "),
        );
        let found: BTreeSet<String> = server.run(&command)?.lines().filter_map(name).collect();
        let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            one.difference(other).cloned().collect::<Vec<_>>().join(" ")
        };
        let (lacking, more) = (only(&found, &self.modules), only(&self.modules, &found));
        ensure!(found.len() > 100, "modprobe found {} modules", found.len());
        ensure!(
            lacking.is_empty() && more.is_empty(),
            "modprobe finds besides: {lacking}; and not: {more}"
        );
        Ok(())
    }
}

/// The module's name of `/lib/modules/R/kernel/fs/ext4/ext4.ko.xz PARAMETERS`.
fn name(insmod: &str) -> Option<String> {
    let file = insmod.split(' ').next()?.rsplit('/').next()?;
    Some(file.split('.').next()?.replace('-', "_"))
}
