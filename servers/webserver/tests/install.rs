//! A machine with 512 MB of memory in its rescue system, which is our own live ISO, becomes the
//! server.

#![cfg(test)]

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};
use deploy::disk::Survey;
use deploy::own;
use testbed::{Group, Machine, Online, Remote, Testbed};

const MIB: u64 = 1 << 20;

#[test]
fn a_small_machine_in_rescue_becomes_the_server() -> Result<()> {
    let testbed = Testbed::new("webserver")?;
    let clients = testbed.clients();
    let folder = tempfile::tempdir()?;
    let disk = folder.path().join("disk");
    let file = File::create(&disk)?;
    file.set_len(2048 * MIB)?;
    // Left by another system where the image has holes, and where it had its backup GPT.
    for at in [300, 700, 2047] {
        file.write_all_at(&[0xff; 4096], at * MIB)?;
    }
    let image = testbed.machine()?.image().context("there is no image")?.to_owned();

    let rescue = testbed.live()?.disk(&disk).memory(512).forward(22);
    let server = Online::start(&rescue, clients)?;
    let remote = Remote::new(clients, server.port(22)?);
    let survey = Survey::of(&remote, "/dev/vda")?;
    assert!(survey.describe().contains("/dev/vda"), "{}", survey.describe());
    let ids = own::Ids::random()?;
    let patches = own::patches(&image, &ids)?;
    let written = deploy::install::install(&remote, &survey, &image, &patches)?;
    assert!(written.sent.is_some_and(|sent| sent < written.bytes / 2), "{written:?}");
    let refused = Survey::of(&remote, "/dev/sr0")?.check(0);
    assert!(refused.is_err(), "the rescue system's own disk was offered");
    server.power_off()?;

    let installed = folder.path().join("installed");
    rescue.copy_disk(&installed)?;
    clients.forget_hosts()?;
    let machine =
        Machine::new(&testbed.tools(Group::Qemu)?).disk(&installed).forward(22).forward(80);
    let server = Online::start(&machine, clients)?;
    let listed = server.run("heirloom list")?;
    assert!(listed.contains("running, default"), "{listed}");
    let cmdline = server.run("cat /proc/cmdline")?;
    assert!(cmdline.contains(&ids.data_filesystem.to_string()), "{cmdline}");
    server.power_off()
}
