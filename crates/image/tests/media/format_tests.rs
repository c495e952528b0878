//! The other formats.

use std::fs;

use image::{Editing, disk, iso, qcow2};
use libtest_mimic::Trial;
use sandbox::{Group, Program};

use crate::fixture::{EPOCH, bundle, tools};
use crate::{Outcome, check};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        Trial::test("an_iso_holds_the_generation_and_boots_two_ways", iso_image),
        Trial::test("a_qcow2_is_the_disk", qcow2_image),
    ]
}

fn iso_image() -> Outcome {
    let dir = tempfile::tempdir()?;
    let tools = tools(Group::Image);
    let bundle = bundle(dir.path(), &tools);
    iso::build(&tools, &bundle, Editing::Refused, EPOCH, &dir.path().join("iso"))?;
    let run = |args: &[&str]| {
        let command = tools.command(Program::Xorriso).args(["-indev", "stdio:/work/iso"]);
        command.args(args).bind_rw(dir.path(), "/work").run()
    };
    let info = run(&["-pvd_info", "-report_el_torito", "plain", "-report_system_area", "plain"])?;
    let info = String::from_utf8_lossy(&[info.stdout, info.stderr].concat()).into_owned();
    let volume = image::Identity::new("mailserver").volume();
    for part in [
        format!("Volume Id    : {volume}").as_str(),
        "Creation Time: 2026092114132000",
        "El Torito boot img :   1  BIOS",
        "El Torito boot img :   2  UEFI",
        "isohybrid",
        "MBR partition      :   2   0x00  0xef",
    ] {
        check(info.contains(part), format!("`{part}` is not in\n{info}"))?;
    }
    run(&["-osirrox", "on", "-extract", "/imgs", "/work/imgs"])?;
    let layout = generation::Layout::open(dir.path().join("imgs"))?;
    let manifest = layout.manifest(layout.index()?.manifests[0].digest)?;
    check(manifest == *bundle.manifest(), "another manifest")?;
    layout.verify(&manifest)?;

    run(&["-osirrox", "on", "-extract", "/isolinux/isolinux.cfg", "/work/cfg"])?;
    let cfg = fs::read_to_string(dir.path().join("cfg"))?;
    check(cfg.contains(&format!("heirloom.data=iso:{volume}\n")), &cfg)?;
    // The kernel's two names are one place on the disk.
    let kernel = bundle.manifest().kernel()?.digest.hex();
    let places = run(&["-find", "/", "-type", "f", "-exec", "report_lba", "--"])?.text();
    let place = |name: &str| {
        let line = places.lines().find(|line| line.contains(name))?;
        line.split(',').nth(1).map(str::to_owned)
    };
    let both = [place("/heirloom/linux-"), place(&kernel)];
    check(both[0].is_some() && both[0] == both[1], format!("{both:?}\n{places}"))
}

fn qcow2_image() -> Outcome {
    let dir = tempfile::tempdir()?;
    let bundle = bundle(dir.path(), &tools(Group::Image));
    disk::build(&tools(Group::Image), &bundle, Editing::Refused, EPOCH, &dir.path().join("disk"))?;
    let tools = tools(Group::Qemu);
    qcow2::build(&tools, &dir.path().join("disk"), &dir.path().join("qcow2"))?;
    let compare = tools.command(Program::QemuImg).args(["compare", "/work/disk", "/work/qcow2"]);
    let output = compare.bind_ro(dir.path(), "/work").run()?;
    check(output.text().contains("identical"), output.text())
}
