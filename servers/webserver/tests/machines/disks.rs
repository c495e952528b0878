//! Two disks with the same server: one is a copy of the other, byte for byte, so that their
//! identifiers do not tell them apart.

use std::fs;

use anyhow::{Context, Result, ensure};
use testbed::Online;

use crate::poor::Poor;
use crate::tried::Ground;

/// The disk with the generation that the bootloader has chosen is used, whichever it is.
pub(crate) fn two_copies(ground: &Ground<'_>, poor: &Poor) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("copy");
    let image = ground.rich().image().context("there is no image")?.to_owned();
    fs::copy(&image, &copy)?;

    // Both have what is booted.
    let machine = ground.machine(poor).second_disk(&copy).forward(22);
    ground.testbed.clients().forget_hosts()?;
    let mut server = Online::start(&machine, ground.testbed.clients())?;
    ensure!(data_on(&server)? == "/dev/vda2", "both: data on {}", data_on(&server)?);
    ground.update(&mut server)?;
    ensure!(data_on(&server)? == "/dev/vda2", "updated: data on {}", data_on(&server)?);
    server.power_off()?;

    // The disk that was updated is the second now, and the bootloader is its own. The first has the
    // same name, and only what the image had.
    machine.copy_disk(&copy)?;
    let options = ["-set", "device.disk0.bootindex=3"];
    let machine = ground.machine(poor).arguments(options).second_disk(&copy).forward(22);
    ground.testbed.clients().forget_hosts()?;
    let mut server = Online::start(&machine, ground.testbed.clients())?;
    ensure!(server.has("/etc/next")?, "another generation runs");
    ensure!(data_on(&server)? == "/dev/sda2", "the other: data on {}", data_on(&server)?);
    let said = server.run("journalctl --boot --identifier heirloom --output cat --no-pager")?;
    ensure!(said.contains("have the same name"), "init does not say so:\n{said}");
    server.settle()?;
    server.cut();
    Ok("the one with the generation that its bootloader starts".into())
}

/// The device that has the data filesystem.
fn data_on(server: &Online<'_>) -> Result<String> {
    server.run("findmnt --noheadings --first-only --output SOURCE /run/heirloom/data")
}
