//! Packages that need what dpkg grants a script: the order, and an answer.

use std::io;
use std::path::Path;

use rootfs::debian::PackageFile;
use rootfs::packages;
use rootfs::tarball::{self, Header};

use super::Bench;
use super::deb::Deb;
use crate::Outcome;

/// Made packages whose scripts fail, or write what they found below `/var/lib/zz`.
pub(super) fn packages(directory: &Path) -> io::Result<Vec<PackageFile>> {
    let early = Deb::new("zz-early")?
        .control("conffiles", "/etc/zz-early.conf\n")?
        .control("triggers", "interest-noawait /usr/share/zz-late\n")?
        .control(
            "postinst",
            "#!/bin/sh\nset -e\nmkdir -p /var/lib/zz\necho \"$@\" >> /var/lib/zz/early\n",
        )?
        .file("./usr/share/zz-early/both", "early\n", 0o644)?
        .file("./etc/zz-early.conf", "early\n", 0o644)?;
    let late = Deb::new("zz-late")?
        .field("Pre-Depends: zz-early")
        .control("conffiles", "/etc/zz-early.conf\n/etc/zz-late.conf\n")?
        .control(
            "preinst",
            "#!/bin/sh\nset -e\n\
             [ ! -e /usr/share/zz-late/file ] || { echo my files are there; exit 1; }\n\
             grep -q configure /var/lib/zz/early || { echo I am too early; exit 1; }\n\
             divert() {\n    dpkg-divert --package zz-late --quiet --add $1 --divert $2 $3\n}\n\
             divert --rename /usr/share/zz-early/both.early /usr/share/zz-early/both\n\
             divert --rename /etc/zz-early.conf.early /etc/zz-early.conf\n\
             divert --no-rename /usr/share/zz-third/file.third /usr/share/zz-third/file\n\
             dpkg-statoverride --add root mail 02750 /usr/share/zz-late/file\n\
             echo unowned > /usr/share/zz-unowned\n",
        )?
        .file("./usr/share/zz-early/both", "late\n", 0o644)?
        .file("./etc/zz-early.conf", "late\n", 0o644)?
        .file("./etc/zz-late.conf", "late\n", 0o644)?
        .file("./usr/share/zz-unowned", "late\n", 0o644)?
        .file("./usr/share/zz-late/file", "late\n", 0o644)?;
    let third = Deb::new("zz-third")?
        .field("Pre-Depends: zz-late")
        .control("preinst", "#!/bin/sh\nset -e\ndpkg-divert --list > /var/lib/zz/diversions\n")?
        .file("./usr/share/zz-third/file", "third\n", 0o644)?;
    let asker = Deb::new("zz-asker")?
        .field("Depends: debconf")
        .control("templates", "Template: zz-asker/install\nType: boolean\nDescription: well\n")?
        .control(
            "postinst",
            "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\nmkdir -p /var/lib/zz\n\
             db_register zz-asker/install zz-other/install\ndb_get zz-other/install\n\
             echo \"$RET\" > /var/lib/zz/answer\n",
        )?;
    let modules = "00000000000000000000000000000000  lib/modules/9.9-zz/modules.order\n";
    let stubbed = Deb::new("zz-stubbed")?
        .control("md5sums", modules)?
        .control(
            "postinst",
            "#!/bin/sh\nset -e\nmkdir -p /var/lib/zz\nuname -sr > /var/lib/zz/kernel\n\
             sleep 1000\n(sleep 1; echo yes > /var/lib/zz/waited) &\ntries=0\n\
             while [ ! -e /var/lib/zz/waited ]; do\n    tries=$((tries + 1))\n    \
             [ $tries -lt 30 ] || exit 1\n    sleep 0.3\ndone\n\
             ssh-keygen -l -f /etc/ssh/mine > /var/lib/zz/key\n",
        )?
        .file("./usr/bin/ssh-keygen", "#!/bin/sh\necho the real one: \"$@\"\n", 0o755)?;
    [early, late, third, asker, stubbed].into_iter().map(|deb| deb.write(directory)).collect()
}

fn file(bench: &Bench, path: &str) -> Result<(Header, String), libtest_mimic::Failed> {
    let tar = bench.first()?.directory.path().join(packages::TREE);
    let found: io::Result<_> = tarball::find(&tar, path.as_bytes());
    let (header, bytes) = found?.ok_or_else(|| format!("there is no {path}"))?;
    Ok((header, String::from_utf8_lossy(&bytes).into_owned()))
}

fn text(bench: &Bench, path: &str) -> Result<String, libtest_mimic::Failed> {
    file(bench, path).map(|(_, text)| text)
}

/// The scripts themselves would have failed.
pub(super) fn preinst(bench: &Bench) -> Outcome {
    assert_eq!(text(bench, "usr/share/zz-late/file")?, "late\n");
    assert_eq!(text(bench, "usr/share/zz-unowned")?, "late\n", "over a file of nobody's");
    Ok(())
}

pub(super) fn diversions(bench: &Bench) -> Outcome {
    for (path, expected) in [
        ("usr/share/zz-early/both", "late\n"),
        ("usr/share/zz-early/both.early", "early\n"),
        ("etc/zz-early.conf", "late\n"),
        ("etc/zz-early.conf.early", "early\n"),
        ("usr/share/zz-third/file.third", "third\n"),
    ] {
        assert_eq!(text(bench, path)?, expected, "{path}");
    }
    assert!(file(bench, "usr/share/zz-third/file").is_err(), "it is diverted before it is there");
    Ok(())
}

pub(super) fn overrides(bench: &Bench) -> Outcome {
    let (header, _) = file(bench, "usr/share/zz-late/file")?;
    assert_eq!((header.uid, header.gid, header.mode), (0, 8, 0o2750));
    Ok(())
}

pub(super) fn triggers(bench: &Bench) -> Outcome {
    assert_eq!(text(bench, "var/lib/zz/early")?, "configure \ntriggered /usr/share/zz-late\n");
    Ok(())
}

pub(super) fn questions(bench: &Bench) -> Outcome {
    assert_eq!(text(bench, "var/lib/zz/answer")?, "false\n");
    for database in ["config.dat", "templates.dat"] {
        let text = text(bench, &format!("var/cache/debconf/{database}"))?;
        assert!(!text.contains("heirloom-definition"), "{text}");
    }
    assert!(text(bench, "var/cache/debconf/config.dat")?.contains("Name: zz-other/install\n"));
    Ok(())
}

pub(super) fn stubs(bench: &Bench) -> Outcome {
    assert_eq!(text(bench, "var/lib/zz/kernel")?, "Linux 9.9-zz\n");
    assert_eq!(text(bench, "var/lib/zz/key")?, "the real one: -l -f /etc/ssh/mine\n");
    assert_eq!(text(bench, "var/lib/zz/waited")?, "yes\n", "sleep waits for what runs");
    Ok(())
}
