//! Package files.

use libtest_mimic::Trial;
use testarchive::{Entry, Keys, Kind, Package};

use crate::Outcome;
use crate::bench::Bench;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        Trial::test("pacman_says_what_a_package_says_of_itself", information),
        Trial::test("pacman_and_bsdtar_list_what_a_package_has", contents),
        Trial::test("bsdtar_unpacks_modes_links_times_and_attributes", unpacked),
        Trial::test("the_same_package_is_the_same_bytes", deterministic),
    ]
}

fn hello() -> Package {
    let mut capable = Entry::new(Kind::File(b"ping".into()), 0o755);
    capable.xattrs.insert("user.test".into(), vec![1, 0, 2, b'=', b'\n']);
    let mut private = Entry::new(Kind::File(b"secret".into()), 0o600);
    (private.uid, private.gid, private.mtime) = (7, 8, Some(1_000_000_000));
    let long = format!("usr/share/{}/{}", "d".repeat(90), "f".repeat(120));
    Package::new("hello", "2:1.0-1")
        .base("greetings")
        .description("Says hello")
        .depends("glibc")
        .depends("sh>=5")
        .optional("git: to clone")
        .provides("greeting=1.0")
        .conflicts("goodbye")
        .replaces("hi")
        .groups("greeters")
        .backup("etc/hello.conf")
        .install("post_install() {\n  echo installed\n}\n")
        .file("etc/hello.conf", 0o644, "greeting = hello\n")
        .file("usr/bin/hello", 0o4755, "#!/bin/sh\necho hello\n")
        .hard_link("usr/bin/hi", "usr/bin/hello")
        .symlink("usr/bin/hey", "hello")
        .directory("var/lib/hello", 0o700)
        .file("usr/share/hello/two words=é", 0o644, "x")
        .file(&long, 0o644, "long")
        .entry("usr/bin/capable", capable)
        .entry("etc/private", private)
        .hook("hello.hook", "[Trigger]\n")
}

/// A bench with the package in the file `hello`.
fn bench() -> Result<Bench, libtest_mimic::Failed> {
    let bench = Bench::new()?;
    let packed = hello().pack(&Keys::generate());
    assert_eq!(packed.file_name, "hello-2:1.0-1-x86_64.pkg.tar.zst");
    bench.write("hello", &packed.bytes)?;
    Ok(bench)
}

fn information() -> Outcome {
    let text = bench()?.pacman(&["-Qip", "hello"])?.text();
    let line = |name: &str| {
        let found = text.lines().find(|line| line.split(" : ").next().unwrap().trim() == name);
        found.unwrap_or_else(|| panic!("no {name}: {text}")).split(" : ").nth(1).unwrap().trim()
    };
    for (name, value) in [
        ("Name", "hello"),
        ("Version", "2:1.0-1"),
        ("Description", "Says hello"),
        ("Architecture", "x86_64"),
        ("Licenses", "MIT"),
        ("Groups", "greeters"),
        ("Provides", "greeting=1.0"),
        ("Depends On", "glibc  sh>=5"),
        ("Optional Deps", "git: to clone"),
        ("Conflicts With", "goodbye"),
        ("Replaces", "hi"),
        ("Packager", "Packager <packager@example.org>"),
        ("Build Date", "Fri Jan 31 00:00:00 2020"),
        ("Install Script", "Yes"),
    ] {
        assert_eq!(line(name), value, "{name}");
    }
    Ok(())
}

fn contents() -> Outcome {
    let bench = bench()?;
    let packed = bench.run("bsdtar", &["-tf", "hello"])?.text();
    let names: Vec<&str> = packed.lines().collect();
    assert_eq!(names[..4], [".BUILDINFO", ".INSTALL", ".MTREE", ".PKGINFO"]);
    let listed = bench.pacman(&["-Qlp", "hello"])?.text();
    let listed: Vec<&str> =
        listed.lines().map(|line| line.split_once("/root/").unwrap().1).collect();
    assert_eq!(listed.len(), names.len() - 4);
    for path in ["etc/hello.conf", "usr/bin/", "usr/bin/hi", "var/lib/hello/"] {
        assert!(listed.contains(&path), "{path}: {listed:?}");
    }
    // What .MTREE lists is what there is.
    let mtree = bench.run("bsdtar", &["-xOf", "hello", ".MTREE"])?;
    bench.write("mtree", &mtree.stdout)?;
    let mtree = bench.run("bsdtar", &["-tf", "mtree"])?.text();
    let mut mtree: Vec<&str> = mtree.lines().map(|line| line.trim_start_matches("./")).collect();
    let mut expected: Vec<&str> = names.iter().copied().filter(|it| *it != ".MTREE").collect();
    mtree.iter_mut().chain(&mut expected).for_each(|path| *path = path.trim_end_matches('/'));
    mtree.sort_unstable();
    expected.sort_unstable();
    assert_eq!(mtree, expected);
    Ok(())
}

fn unpacked() -> Outcome {
    let bench = bench()?;
    let lines = bench.run("bsdtar", &["-tvf", "hello", "--numeric-owner"])?.text();
    let line = |path: &str| {
        let found = lines.lines().find(|line| line.contains(&format!(" {path}")));
        found.unwrap_or_else(|| panic!("no {path}: {lines}"))
    };
    assert!(line("usr/bin/hello").starts_with("-rwsr-xr-x  0 0      0"), "{lines}");
    assert!(line("etc/private").starts_with("-rw-------  0 7      8"), "{lines}");
    assert!(line("etc/private").contains("Sep  9  2001"), "{lines}");
    assert!(line("usr/bin/hey -> hello").starts_with('l'), "{lines}");
    assert!(line("usr/bin/hi link to usr/bin/hello").starts_with('h'), "{lines}");
    bench.run("bsdtar", &["-xf", "hello", "--no-same-owner", "usr/bin/capable"])?;
    let attributes = bench.run("bsdtar", &["-cf", "-", "--format=pax", "usr/bin/capable"])?;
    let wanted = b"SCHILY.xattr.user.test=\x01\x00\x02=\n";
    let has = attributes.stdout.windows(wanted.len()).any(|window| window == wanted);
    assert!(has, "the attribute is lost");
    Ok(())
}

fn deterministic() -> Outcome {
    let (one, other) = (hello().pack(&Keys::generate()), hello().pack(&Keys::generate()));
    assert_eq!((one.bytes, one.desc), (other.bytes, other.desc));
    assert_ne!(one.signature, other.signature);
    Ok(())
}
