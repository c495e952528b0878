//! The disk image, read back with the programs of its filesystems.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use boot::syslinux::adv::Adv;
use generation::{Layout, cmdline::Boot, layout};
use image::{Bundle, Editing, Identity, disk, own};
use libtest_mimic::Trial;
use sandbox::{Group, Program};

use crate::fixture::{EPOCH, bundle, cut, tools};
use crate::{Outcome, check};

const MIB: u64 = 1 << 20;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        Trial::test("the_boot_partition_is_sound_and_holds_both_bootloaders", boot_partition),
        Trial::test("the_data_partition_is_sound_and_holds_the_generation", data_partition),
        Trial::test("an_installation_has_identifiers_of_its_own_and_is_sound", own_ids),
        Trial::test("both_halves_of_a_mirror_are_sound_and_belong_together", halves),
        Trial::test("a_disk_takes_the_room_of_its_content", sparse),
        Trial::test("a_kernel_too_large_for_two_generations_is_refused", too_large),
    ]
}

fn make(dir: &Path) -> Bundle {
    let tools = tools(Group::Image);
    let bundle = bundle(dir, &tools);
    disk::build(&tools, &bundle, Editing::Refused, EPOCH, &dir.join("disk")).unwrap();
    bundle
}

fn boot_partition() -> Outcome {
    let dir = tempfile::tempdir()?;
    let bundle = make(dir.path());
    cut(&dir.path().join("disk"), 16 * MIB, 272 * MIB, dir.path().join("fat"));
    let tools = tools(Group::Image);
    let run = |program, args: &[&str]| {
        tools.command(program).args(args).bind_rw(dir.path(), "/work").run()
    };
    run(Program::FsckFat, &["-n", "/work/fat"])?;
    let text = run(Program::Mcopy, &["-i", "/work/fat", "::/loader/loader.conf", "-"])?.text();
    check(text == "timeout 1\neditor no\n", format!("who is at the console may edit: {text}"))?;
    let listing = run(Program::Mdir, &["-b", "-/", "-a", "-i", "/work/fat", "::/"])?.text();
    let manifest = bundle.manifest();
    let linux = format!("heirloom/linux-{}", manifest.kernel()?.digest.short());
    let initrd = format!("heirloom/initrd-{}", manifest.initramfs()?.digest.short());
    let entry = "loader/entries/heirloom-1-1.conf";
    for path in [
        "EFI/BOOT/BOOTX64.EFI",
        "loader/loader.conf",
        entry,
        "ldlinux.sys",
        "syslinux.cfg",
        "heirloom/0.cfg",
        "heirloom/default-a.cfg",
        &linux,
        &initrd,
    ] {
        check(
            listing.lines().any(|line| line == format!("::/{path}")),
            format!("{path}:\n{listing}"),
        )?;
    }
    let read = |path: &str| {
        let from = format!("::/{path}");
        run(Program::Mcopy, &["-n", "-i", "/work/fat", &from, "/work/read"]).unwrap();
        let bytes = fs::read(dir.path().join("read")).unwrap();
        fs::remove_file(dir.path().join("read")).unwrap();
        bytes
    };
    check(read(&linux) == fs::read(bundle.kernel())?, "the kernel")?;
    check(read(&initrd) == fs::read(bundle.initramfs())?, "initrd")?;
    let ldlinux = read("ldlinux.sys");
    let mark = Adv::parse(&ldlinux[ldlinux.len() - 512..]);
    check(mark == Some(Adv::default()), "nothing is to be started once")?;
    for (path, key) in [(entry, "options "), ("heirloom/0.cfg", "APPEND ")] {
        let text = String::from_utf8(read(path))?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        let boot = Boot::parse(line)?;
        check(boot.generation == bundle.manifest().digest(), line)?;
        let uuid = Identity::new("mailserver").data_filesystem().to_string();
        check(boot.data.to_string() == uuid && line.starts_with("console=ttyS0"), line)?;
        check(!boot.trial, line)?;
    }
    Ok(())
}

fn data_partition() -> Outcome {
    let dir = tempfile::tempdir()?;
    let bundle = make(dir.path());
    let image = dir.path().join("disk");
    cut(&image, 272 * MIB, fs::metadata(&image)?.len() - MIB, dir.path().join("ext4"));
    let tools = tools(Group::Image);
    let run = |program, args: &[&str]| {
        tools.command(program).args(args).bind_rw(dir.path(), "/work").run()
    };
    run(Program::E2fsck, &["-f", "-n", "/work/ext4"])?;
    let head = run(Program::Dumpe2fs, &["-h", "/work/ext4"])?.text();
    for (key, value) in [
        ("Filesystem UUID:", Identity::new("mailserver").data_filesystem().to_string()),
        ("Block size:", "4096".into()),
        // 511 blocks of 64 descriptors of 128 MiB.
        ("Reserved GDT blocks:", "511".into()),
        ("Filesystem state:", "clean".into()),
        ("Total journal size:", "64M".into()),
        ("Mount count:", "0".into()),
    ] {
        let line = head.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        check(line == Some(value.as_str()), format!("{key} {line:?}\n{head}"))?;
    }
    run(Program::Debugfs, &["-R", "rdump /imgs /work", "/work/ext4"])?;
    let layout = Layout::open(dir.path().join("imgs"))?;
    let index = layout.index()?;
    let manifest = layout.manifest(index.manifests[0].digest)?;
    check(manifest == *bundle.manifest(), "another manifest")?;
    check(layout.config(&manifest)? == *bundle.config(), "another config")?;
    layout.verify(&manifest)?;
    let annotations = &index.manifests[0].annotations;
    for (name, value) in [
        (layout::ANNOTATION_COMMIT, "0123"),
        (layout::ANNOTATION_NUMBER, "1"),
        (layout::ANNOTATION_CONFIRMED, "1"),
    ] {
        let found = annotations.get(name).map(String::as_str);
        check(found == Some(value), format!("{name}: {annotations:?}"))?;
    }
    let last = index.annotations.get(layout::ANNOTATION_LAST_NUMBER).map(String::as_str);
    check(last == Some("1"), format!("{:?}", index.annotations))?;

    let stat = |path: &str| run(Program::Debugfs, &["-R", &format!("stat {path}"), "/work/ext4"]);
    for (path, mode) in
        [("/", "0755"), ("/state", "0755"), ("/imgs", "0755"), ("/imgs/index.json", "0644")]
    {
        let text = stat(path)?.text();
        check(text.contains(&format!("Mode:  {mode}")), format!("{path}: {text}"))?;
        check(text.contains("User:     0   Group:     0"), format!("{path}: {text}"))?;
        // EPOCH, in every time.
        check(text.matches("0x6ab13b80").count() == 4, format!("{path}: {text}"))?;
    }
    Ok(())
}

fn own_ids() -> Outcome {
    let dir = tempfile::tempdir()?;
    make(dir.path());
    let (image, disk) = (dir.path().join("disk"), dir.path().join("installed"));
    let ids = own::Ids::random()?;
    let patches = own::patches(&image, &ids)?;
    fs::copy(&image, &disk)?;
    let file = fs::File::options().write(true).open(&disk)?;
    for patch in &patches {
        file.write_all_at(&patch.bytes, patch.offset)?;
    }
    let changed: usize = patches.iter().map(|patch| patch.bytes.len()).sum();
    check(changed < 16 << 10, format!("{changed} bytes are others"))?;

    let tools = tools(Group::Image);
    let run = |program, args: &[&str]| {
        tools.command(program).args(args).bind_rw(dir.path(), "/work").run()
    };
    cut(&disk, 16 * MIB, 272 * MIB, dir.path().join("fat"));
    run(Program::FsckFat, &["-n", "/work/fat"])?;
    let uuid = ids.data_filesystem.to_string();
    for path in ["loader/entries/heirloom-1-1.conf", "heirloom/0.cfg"] {
        let from = format!("::/{path}");
        run(Program::Mcopy, &["-n", "-i", "/work/fat", &from, "/work/read"])?;
        let text = fs::read_to_string(dir.path().join("read"))?;
        fs::remove_file(dir.path().join("read"))?;
        let named = text.matches("heirloom.data=").count();
        check(named > 0 && text.matches(&uuid).count() == named, text)?;
    }
    let serial = ids.boot_serial.to_le_bytes();
    let mut found = [0; 4];
    fs::File::open(dir.path().join("fat"))?.read_exact_at(&mut found, 67)?;
    check(found == serial, "the FAT has another serial number")?;

    cut(&disk, 272 * MIB, fs::metadata(&disk)?.len() - MIB, dir.path().join("ext4"));
    run(Program::E2fsck, &["-f", "-n", "/work/ext4"])?;
    // From the superblock and from a copy; one whose checksum does not match is refused.
    let copy = ["-h", "-o", "superblock=32768", "-o", "blocksize=4096", "/work/ext4"];
    for arguments in [&copy[..1], &copy[..5]] {
        let head = run(Program::Dumpe2fs, &[arguments, &copy[5..]].concat())?.text();
        check(head.contains(&uuid), head)?;
    }

    let table = gpt::GptConfig::new().open(&disk)?;
    check(table.primary_header().is_ok() && table.backup_header().is_ok(), "a damaged GPT")?;
    let guids = [1, 2].map(|number| table.partitions()[&number].part_guid);
    check(*table.guid() == ids.disk && guids == ids.partitions, format!("{guids:?}"))?;
    // The file of the image is as it was.
    let head = own::patches(&image, &own::Ids::random()?)?;
    check(head.len() == patches.len(), "the image was changed")
}

fn halves() -> Outcome {
    let dir = tempfile::tempdir()?;
    make(dir.path());
    let image = dir.path().join("disk");
    let end = fs::metadata(&image)?.len();
    // The larger is no whole number of MiB.
    let sizes = [end + 200 * MIB, end + 300 * MIB + 512];
    let ids = [own::Ids::random()?, own::Ids::random()?];
    let data_filesystem = ids[0].data_filesystem;
    let tools = tools(Group::Image);
    let (mut superblocks, mut guids, mut data) = (Vec::new(), Vec::new(), Vec::new());
    for (number, ids) in ids.into_iter().enumerate() {
        let ids = own::Ids { data_filesystem, ..ids };
        let (disk, number) = (sizes[number], number as u32);
        let array = data_filesystem;
        let half = own::Half { ids, disk, smaller: sizes[0], array, number, now: 1 };
        let patches = own::half(&image, &half)?;
        let path = dir.path().join("half");
        fs::copy(&image, &path)?;
        let file = fs::File::options().read(true).write(true).open(&path)?;
        file.set_len(disk)?;
        for patch in patches.inside.iter().chain(&patches.behind) {
            file.write_all_at(&patch.bytes, patch.offset)?;
        }

        let table = gpt::GptConfig::new().open(&path)?;
        check(table.primary_header().is_ok() && table.backup_header().is_ok(), "a damaged GPT")?;
        let [boot, part] = [1, 2].map(|number| table.partitions()[&number].clone());
        guids.extend([*table.guid(), boot.part_guid, part.part_guid]);
        let sectors = part.last_lba + 1 - part.first_lba;
        let place = mirror::superblock::place(sectors);
        let mut bytes = vec![0; mirror::superblock::LENGTH];
        file.read_exact_at(&mut bytes, (part.first_lba + place) * 512)?;
        superblocks.push(mirror::Superblock::read(&bytes, place).ok_or("there is no superblock")?);

        let run = |program, args: &[&str]| {
            tools.command(program).args(args).bind_rw(dir.path(), "/work").run()
        };
        cut(&path, 16 * MIB, 272 * MIB, dir.path().join("fat"));
        run(Program::FsckFat, &["-n", "/work/fat"])?;
        let ext4 = dir.path().join(format!("ext4-{number}"));
        cut(&path, 272 * MIB, end, ext4.clone());
        run(Program::E2fsck, &["-f", "-n", &format!("/work/ext4-{number}")])?;
        data.push(digest::Digest::of_reader(fs::File::open(ext4)?)?);
    }
    check(data[0] == data[1], "the data differ")?;
    let [one, other] = [&superblocks[0], &superblocks[1]];
    check((one.array, one.sectors) == (other.array, other.sectors), format!("{superblocks:?}"))?;
    let together = mirror::choose::choose(&superblocks);
    let whole = together.len() == 1 && together[0].members.len() == 2;
    check(whole && together[0].missing == 0, format!("{together:?}"))?;
    guids.sort();
    guids.dedup();
    check(guids.len() == 6, format!("{guids:?}"))
}

fn sparse() -> Outcome {
    let dir = tempfile::tempdir()?;
    let bundle = make(dir.path());
    let disk = fs::metadata(dir.path().join("disk"))?;
    let taken = disk.blocks() * 512;
    check(taken < bundle.size(4096) + 16 * MIB, taken)?;
    check(disk.len() > 600 * MIB && disk.len() < 800 * MIB, disk.len())?;
    // What was beside it is gone.
    let left = fs::read_dir(dir.path())?.filter_map(Result::ok);
    let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count();
    check(left == 0, left)
}

fn too_large() -> Outcome {
    let dir = tempfile::tempdir()?;
    let tools = tools(Group::Image);
    let small = bundle(dir.path(), &tools);
    let kernel = dir.path().join("large");
    fs::File::create(&kernel)?.set_len(140 * MIB)?;
    let (digest, size) = digest::Digest::of_reader(fs::File::open(&kernel)?)?;
    let descriptor =
        generation::Descriptor::new(generation::manifest::MEDIA_TYPE_KERNEL, digest, size);
    let layers = &small.manifest().layers;
    let blob =
        |index: usize, name: &str| image::Blob::new(layers[index].clone(), dir.path().join(name));
    let large = Bundle::new(
        small.config().clone(),
        image::Blob::new(descriptor, &kernel),
        blob(1, "initrd"),
        vec![blob(2, "tree.layer"), blob(3, "config.layer")],
    )?;
    let result = disk::build(&tools, &large, Editing::Refused, EPOCH, &dir.path().join("disk"));
    let Err(error) = result else { return Err("it was made".into()) };
    check(error.to_string().contains("boot partition"), &error)?;
    check(error.hint().is_some(), "no hint")
}
