//! A machine with 512 MB of memory in its rescue system, which is our own live ISO, becomes the
//! server, and the server's disk is read when it is off.

#![cfg(test)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use deploy::disk::Survey;
use deploy::own;
use testbed::{Group, Machine, Online, Program, Remote, Testbed};

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
    server.run("echo a page >/srv/html/page && chown www-data /srv/html/page")?;
    server.run("logger --tag test to be found")?;
    let said = server.run("journalctl --sync && journalctl --output cat --no-pager")?;
    server.power_off()?;
    let disk = folder.path().join("disk.img");
    machine.copy_disk(&disk)?;
    is_read_when_off(&testbed, &disk, &said)
}

/// Every command of docs/how-to/rescue.md, on the disk of a server that is off; `said` is what
/// journalctl said on it.
fn is_read_when_off(testbed: &Testbed, disk: &Path, said: &str) -> Result<()> {
    let folder = disk.parent().context("it lies in no folder")?;
    let old = folder.join("old.qcow2");
    File::create(&old)?;
    let convert = testbed.tools(Group::Qemu)?.command(Program::QemuImg);
    let convert = convert.bind_ro(disk, "/work/disk").bind_rw(&old, "/work/old");
    convert.args(["convert", "-f", "raw", "-O", "qcow2", "/work/disk", "/work/old"]).run()?;
    let before = fs::metadata(disk)?.modified()?;

    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/how-to/rescue.md"))?;
    let mut outputs = Vec::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("cargo xtask ")) {
        let mut words: Vec<String> =
            line.split(' ').map(|word| word.replace("/dev/sdb", "disk.img")).collect();
        for at in 1..words.len() {
            if words[at].ends_with(".img")
                || words[at].ends_with(".qcow2")
                || words[at - 1] == "--to"
            {
                words[at] = folder.join(&words[at]).display().to_string();
            }
        }
        let ran = Command::new(testbed.xtask()?).args(&words).output()?;
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{line}: {errors}");
        outputs.push((line, String::from_utf8_lossy(&ran.stdout).into_owned()));
    }
    let of = |end: &str| {
        let found = outputs.iter().find(|(line, _)| line.ends_with(end));
        found.map(|(_, output)| output.as_str()).context("the page has no such command")
    };
    let report = of("/dev/sdb")?;
    assert!(
        report.contains("server      webserver (pc)") && report.contains("default"),
        "{report}"
    );
    assert!(report.contains("state       html                 /srv/html"), "{report}");
    // journalctl has heard all lines that ours shows, but for those of the shutdown.
    let journal = of("--lines 5000")?;
    assert!(journal.contains(" test: to be found"), "{journal}");
    let messages = journal.lines().filter_map(|line| line.splitn(3, ' ').nth(2));
    // Ours makes a line of each message, and has tabs as escapes.
    let messages = messages.flat_map(|message| message.split("\\n"));
    let messages: Vec<String> = messages.map(|message| message.replace("\\t", "\t")).collect();
    let missing: Vec<&str> =
        said.lines().filter(|line| !messages.iter().any(|message| message == line)).collect();
    assert!(missing.is_empty(), "lines are missing: {missing:?}");
    assert!(of("--state /srv/html")?.contains("  page"));
    assert!(of("--json")?.contains("\"server\": \"webserver\""));
    assert_eq!(fs::read_to_string(folder.join("html/page"))?, "a page\n");
    assert!(folder.join("everything/html/page").is_file());
    assert_eq!(fs::metadata(disk)?.modified()?, before, "the disk was written to");
    Ok(())
}
