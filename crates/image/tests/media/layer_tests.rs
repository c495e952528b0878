//! Layers hold what their archives hold, and the kernel can check them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use generation::LayerFormat;
use image::verity::{self, Sealed};
use image::{Error, layer};
use libtest_mimic::Trial;
use rootfs::tarball::{Header, Kind, Writer};
use sandbox::{Group, Program};

use crate::fixture::{CAPABILITY, EPOCH, cut, noise, tools, tree};
use crate::{Outcome, check, jobs};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        Trial::test("a_squashfs_holds_what_its_archive_holds", squashfs),
        Trial::test("an_erofs_holds_what_its_archive_holds", erofs)
            .with_ignored_flag(!jobs::are_possible()),
        Trial::test("an_erofs_that_would_lack_files_is_not_made", lost_and_found)
            .with_ignored_flag(!jobs::are_possible()),
        Trial::test("a_squashfs_holds_names_that_are_not_utf_8", || foreign(LayerFormat::Squashfs)),
        Trial::test("an_erofs_holds_names_that_are_not_utf_8", || foreign(LayerFormat::Erofs))
            .with_ignored_flag(!jobs::are_possible()),
        Trial::test("hash_trees_are_those_of_veritysetup", veritysetup),
        Trial::test("a_clock_behind_the_epoch_is_an_error", clock),
    ]
}

fn make(dir: &Path, format: LayerFormat) -> Sealed {
    tree(&dir.join("tree.tar"));
    let tools = tools(Group::Image);
    layer::build(&tools, format, &dir.join("tree.tar"), EPOCH, &dir.join("layer")).unwrap()
}

/// dpkg, pacman and the kernel take any bytes for a name.
fn foreign(format: LayerFormat) -> Outcome {
    let dir = tempfile::tempdir()?;
    let tar = dir.path().join("tree.tar");
    let mut writer = Writer::new(fs::File::create(&tar)?);
    writer.append(&Header::new("", Kind::Directory, 0o755, 0), &mut &b""[..])?;
    writer.append(&Header::new(*b"caf\xe9", Kind::File(6), 0o644, 0), &mut &b"coffee"[..])?;
    writer.finish()?;
    let tools = tools(Group::Image);
    layer::build(&tools, format, &tar, EPOCH, &dir.path().join("layer"))?;
    let seen = match format {
        LayerFormat::Squashfs => {
            let unsquashfs = tools.command(Program::Unsquashfs).args(["-ll", "/work/layer"]);
            unsquashfs.bind_ro(dir.path(), "/work").run()?.stdout
        }
        LayerFormat::Erofs => fs::read(dir.path().join("layer"))?,
    };
    let holds = seen.windows(4).any(|window| window == b"caf\xe9");
    check(holds, String::from_utf8_lossy(&seen[..seen.len().min(2000)]))
}

/// Mode, owner and name of what a listing has, one line a path.
const LINES: [&str; 9] = [
    "drwxr-xr-x 0/0 2026-09-21T14:13:20 ",
    "-rwsr-xr-x 0/0 2026-09-21T14:13:00 usr/bin/passwd",
    "-rwxr-xr-x 0/0 2026-09-21T14:13:00 usr/bin/ping",
    "-rwxr-xr-x 0/0 2026-09-21T14:13:00 usr/share/link",
    "lrwxrwxrwx 0/0 2026-09-21T14:13:20 usr/share/sym -> ../bin/ping",
    "-rw-r----- 0/0 2026-09-21T14:13:00 usr/share/\u{151}t an\u{fa}",
    "drwxrwsr-x 8/65534 2026-09-21T14:13:10 var",
    "-rw------- 0/0 2026-09-21T14:13:20 var/late",
    "drwxr-xr-x 0/0 2026-09-21T14:13:10 usr",
];

fn squashfs() -> Outcome {
    let dir = tempfile::tempdir()?;
    let sealed = make(dir.path(), LayerFormat::Squashfs);
    let tools = tools(Group::Image);
    let unsquashfs = || tools.command(Program::Unsquashfs).bind_ro(dir.path(), "/work/in");
    let listing = unsquashfs().args(["-lln", "-full-time", "/work/in/layer"]).run();
    let listing = match listing {
        Ok(output) => output.text(),
        // 4.5.1 has no -full-time.
        Err(_) => unsquashfs().args(["-lln", "/work/in/layer"]).run()?.text(),
    };
    check(listing.lines().count() == 19, &listing)?;
    for line in LINES {
        let (mode, rest) = line.split_once(' ').unwrap_or_default();
        let (owner, rest) = rest.split_once(' ').unwrap_or_default();
        let (time, name) = rest.split_once(' ').unwrap_or_default();
        let minute = time.replace('T', " ");
        let root =
            if name.is_empty() { "squashfs-root".into() } else { format!("squashfs-root/{name}") };
        let there = listing.lines().any(|found| {
            found.starts_with(&format!("{mode} {owner} "))
                && found.contains(&minute[..16])
                && found.ends_with(&format!(" {root}"))
        });
        check(there, format!("{line}\nis not in\n{listing}"))?;
    }
    // Unpacked by root in its namespace: extended attributes and link counts come out.
    let unpacked = tools
        .command(Program::Unsquashfs)
        .args(["-no-progress", "-d", "/work/out/tree", "-user-xattrs", "/work/out/layer"])
        .args(["usr/bin/ping", "usr/share/link"])
        .bind_rw(dir.path(), "/work/out");
    unpacked.run()?;
    let ping = dir.path().join("tree/usr/bin/ping");
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(&ping, "user.note", &mut value)?;
    check(&value[..length] == b"kept", "user.note")?;
    let links = fs::metadata(&ping)?.nlink();
    check(links == 2, links)?;
    // The capability is in the table of attributes, whoever unpacks.
    let stat = unsquashfs().args(["-stat", "/work/in/layer"]).run()?.text();
    check(stat.contains("Number of xattr ids 1"), stat)?;
    check(sealed.verity.data_blocks > 200, sealed.verity.data_blocks)
}

fn erofs() -> Outcome {
    let dir = tempfile::tempdir()?;
    make(dir.path(), LayerFormat::Erofs);
    let tools = tools(Group::Image);
    let run = |program, args: &[&str]| {
        let command = tools.command(program).args(args).arg("/work/layer");
        command.bind_rw(dir.path(), "/work").run()
    };
    // Owners need ids that this command has not, dump.erofs shows those; modes it shows without
    // the set-id bits.
    run(Program::FsckErofs, &["--extract=/work/tree", "--no-preserve-owner", "--preserve-perms"])?;
    let tree = |path: &str| dir.path().join("tree").join(path);
    let mode = |path: &str| fs::metadata(tree(path)).map(|it| it.mode());
    check(mode("usr/bin/passwd")? == 0o104_755, mode("usr/bin/passwd")?)?;
    check(mode("var")? == 0o042_775, mode("var")?)?;
    check(fs::read(tree("usr/share/link"))? == b"capable", "a hard link has another content")?;
    check(fs::read_link(tree("usr/share/sym"))? == Path::new("../bin/ping"), "a link leads away")?;
    check(fs::read(tree("usr/share/noise"))? == noise(), "a file has another content")?;
    let dump =
        |path: &str| run(Program::DumpErofs, &[&format!("--path={path}")]).map(|it| it.text());
    for (path, expected) in [
        ("/usr/bin/passwd", vec!["Uid: 0 ", "2026-09-21 14:13:00", "Xattr size: 0"]),
        ("/usr/bin/ping", vec!["Links: 2", "Xattr size: "]),
        ("/usr/share/link", vec!["Links: 2"]),
        ("/usr/share/sym", vec!["2026-09-21 14:13:20"]),
        ("/var", vec!["Uid: 8 ", "Gid: 65534", "2026-09-21 14:13:10"]),
        ("/var/late", vec!["2026-09-21 14:13:20"]),
        ("/", vec!["2026-09-21 14:13:10"]),
    ] {
        let text = dump(path)?;
        for part in expected {
            check(text.contains(part), format!("{path}: `{part}` is not in\n{text}"))?;
        }
    }
    // No program of the tools shows attributes: name and value stand one behind the other.
    let layer = fs::read(dir.path().join("layer"))?;
    let holds = |bytes: &[u8]| layer.windows(bytes.len()).any(|window| window == bytes);
    check(holds(&[b"capability", &CAPABILITY[..]].concat()), "the capability is not there")?;
    check(holds(b"notekept"), "user.note is not there")
}

fn lost_and_found() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (tar, out) = (dir.path().join("tree.tar"), dir.path().join("layer"));
    let mut writer = Writer::new(fs::File::create(&tar)?);
    for path in ["", "srv", "srv/lost+found.txt"] {
        let kind = if path.ends_with("txt") { Kind::File(0) } else { Kind::Directory };
        writer.append(&Header::new(path, kind, 0o755, 0), &mut std::io::empty())?;
    }
    writer.finish()?;
    let tools = tools(Group::Image);
    let Err(error) = layer::build(&tools, LayerFormat::Erofs, &tar, EPOCH, &out) else {
        return Err("a layer was made".into());
    };
    check(error.hint().is_some_and(|hint| hint.contains("squashfs")), format!("{error:?}"))?;
    let text = format!("{error:?}");
    check(text.contains("/srv/lost+found.txt"), text)
}

fn veritysetup() -> Outcome {
    let dir = tempfile::tempdir()?;
    let sealed = make(dir.path(), LayerFormat::Squashfs);
    let offset = sealed.verity.hash_offset();
    cut(&dir.path().join("layer"), 0, offset, dir.path().join("other"));
    let [blocks, salt] = [sealed.verity.data_blocks.to_string(), sealed.verity.salt.hex()];
    let output = tools(Group::Check)
        .command(Program::Veritysetup)
        .args(["format", "--no-superblock", "--hash=sha256"])
        .args(["--data-block-size=4096", "--hash-block-size=4096"])
        .args([format!("--data-blocks={blocks}"), format!("--hash-offset={offset}")])
        .args([format!("--salt={salt}").as_str(), "/work/other", "/work/other"])
        .bind_rw(dir.path(), "/work")
        .run()?;
    check(output.text().contains(&sealed.verity.root.hex()), output.text())?;
    let [ours, theirs] = ["layer", "other"].map(|name| fs::read(dir.path().join(name)).unwrap());
    check(ours == theirs, "the blobs differ")?;
    check(digest::Digest::of(ours) == sealed.digest, "the digest is not the blob's")
}

fn clock() -> Outcome {
    let dir = tempfile::tempdir()?;
    tree(&dir.path().join("tree.tar"));
    let tools = tools(Group::Image);
    let (tar, out) = (dir.path().join("tree.tar"), dir.path().join("layer"));
    let later = u64::from(u32::MAX);
    let result = layer::build(&tools, LayerFormat::Squashfs, &tar, later, &out);
    check(matches!(result, Err(Error::Clock { .. })), format!("{result:?}"))?;
    check(verity::seal(&out).is_err(), "a layer was made")
}
