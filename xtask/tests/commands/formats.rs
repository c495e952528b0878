//! `image --format`: what each format is, as those who read it see it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use digest::Digest;
use libtest_mimic::Trial;
use lock::Lock;
use pipeline::Report;
use rootfs::tarball::{self, Header, Kind};
use sandbox::{Program, Tools};
use serde_json::Value;
use store::Store;

use crate::workspace::{Workspace, repository};
use crate::{SERVER, trial, undisturbed};

/// Names of formats, with the end of the file's name and what the file has to be.
type Expected = (&'static str, &'static str, fn(&Workspace, &Path) -> Result<()>);

const FORMATS: [Expected; 4] =
    [("qcow2", "qcow2", qcow2), ("iso", "iso", iso), ("tar", "tar", tar), ("oci", "oci.tar", oci)];

pub(crate) fn all() -> Vec<Trial> {
    vec![trial("each_format_is_what_its_readers_expect_and_made_once", each)]
}

fn each() -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let workspace = undisturbed.twin(&[])?;
    for (format, extension, check) in FORMATS {
        let image = ["image", SERVER, "--format", format, "--json", "--quiet"];
        let first: Report = workspace.run(image)?.json()?;
        ensure!(first.generation == undisturbed.report.generation, "{format}: another generation");
        let expected = format!("heirloom/images/{SERVER}.{extension}");
        ensure!(first.image == workspace.target().join(expected), "{}", first.image.display());
        ensure!(first.size == fs::metadata(&first.image)?.len(), "{format}: {} bytes", first.size);
        let made: Vec<_> = first.stages.iter().filter(|it| !it.hit).map(|it| &*it.stage).collect();
        ensure!(made == [format], "{format}: {made:?} were made");
        check(&workspace, &first.image).with_context(|| format!("the {format}"))?;

        let before = digest(&first.image)?;
        let second: Report = workspace.run(image)?.json()?;
        ensure!(second.stages.iter().all(|it| it.hit), "{format}: not all was reused");
        ensure!(second.image == first.image && digest(&second.image)? == before);
    }
    Ok(())
}

fn digest(path: &Path) -> Result<Digest> {
    Ok(Digest::of_reader(File::open(path)?)?.0)
}

fn qcow2(_: &Workspace, file: &Path) -> Result<()> {
    let store = Store::open(store::Options::from_environment()?)?;
    let check = Tools::open(repository(), &store)?.command(Program::QemuImg)?;
    let check = check.bind_ro(file, "/work/image").args(["check", "--output=json", "-f", "qcow2"]);
    let checked: Value = serde_json::from_str(&check.arg("/work/image").run()?.text())?;
    ensure!(checked["check-errors"] == 0 && checked["corruptions"].is_null(), "{checked}");
    ensure!(checked["allocated-clusters"].as_u64() > Some(0), "there is nothing in it: {checked}");
    Ok(())
}

fn iso(_: &Workspace, file: &Path) -> Result<()> {
    let file = File::open(file)?;
    let mut head = vec![0; 34 << 10];
    file.read_exact_at(&mut head, 0)?;
    // ECMA-119, 8.1: the first volume descriptor; and El Torito's, the second.
    ensure!(head[32769..32774] == *b"CD001", "it is no ISO 9660");
    // A boot sector, for who has it on a stick.
    ensure!(head[510..512] == [0x55, 0xaa], "it is no disk");
    Ok(())
}

fn tar(workspace: &Workspace, file: &Path) -> Result<()> {
    let mut headers = BTreeMap::new();
    tarball::read(BufReader::new(File::open(file)?), |header: Header, _| -> io::Result<()> {
        headers.insert(header.shown(), header);
        Ok(())
    })?;
    let text = |path: &str| -> Result<String> {
        let (_, bytes) = tarball::find(file, path.as_bytes())?.context("it is not there")?;
        Ok(String::from_utf8(bytes)?)
    };
    let (users, groups) = (ids(&text("etc/passwd")?)?, ids(&text("etc/group")?)?);
    let known = |ids: &BTreeMap<String, u32>| ids.values().copied().collect::<BTreeSet<_>>();
    let (uids, gids) = (known(&users), known(&groups));
    for (path, header) in &headers {
        ensure!(uids.contains(&header.uid), "{path} is of user {}", header.uid);
        ensure!(gids.contains(&header.gid), "{path} is of group {}", header.gid);
    }
    let lock = Lock::read(&workspace.root().join("servers").join(SERVER).join("server.lock"))?;
    let helper = &headers["/usr/lib/dbus-1.0/dbus-daemon-launch-helper"];
    ensure!(groups.get("messagebus") == lock.groups.get("messagebus"), "{groups:?}");
    ensure!(groups.get("messagebus") == Some(&helper.gid) && helper.mode == 0o4754, "{helper:?}");
    // Of the packages, and of what the definition lays over them.
    for path in ["/usr/sbin/nginx", "/usr/lib/heirloom/health", "/etc/nginx/nginx.conf"] {
        let header = headers.get(path).with_context(|| format!("there is no {path}"))?;
        ensure!(matches!(header.kind, Kind::File(size) if size > 0), "{header:?}");
    }
    Ok(())
}

/// Names and numbers of passwd(5) or group(5).
fn ids(text: &str) -> Result<BTreeMap<String, u32>> {
    let id = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((name, fields.nth(1)?.parse().ok()?))
    };
    text.lines().map(|line| id(line).with_context(|| format!("`{line}`"))).collect()
}

/// OCI image layout and image specification, v1.1.
fn oci(_: &Workspace, file: &Path) -> Result<()> {
    let (mut blobs, mut documents) = (BTreeMap::new(), BTreeMap::new());
    tarball::read(BufReader::new(File::open(file)?), |header, content| -> io::Result<()> {
        if !matches!(header.kind, Kind::File(_)) {
            return Ok(());
        }
        let mut head = Vec::new();
        let (digest, size) = if header.size() < 1 << 20 {
            content.read_to_end(&mut head)?;
            (Digest::of(&head), head.len() as u64)
        } else {
            Digest::of_reader(content)?
        };
        blobs.insert(header.shown(), (digest, size));
        documents.insert(header.shown(), head);
        Ok(())
    })?;
    for (path, (digest, _)) in &blobs {
        if let Some(name) = path.strip_prefix("/blobs/sha256/") {
            ensure!(digest.hex() == name, "{path} has {digest}");
        }
    }
    let json = |path: &str| -> Result<Value> {
        let text = documents.get(path).with_context(|| format!("there is no {path}"))?;
        serde_json::from_slice(text).with_context(|| format!("{path} is no JSON"))
    };
    // What a descriptor points to, which has the size that it says.
    let blob = |descriptor: &Value| -> Result<String> {
        let digest: Digest = descriptor["digest"].as_str().context("no digest")?.parse()?;
        let path = format!("/blobs/sha256/{}", digest.hex());
        let (_, size) = blobs.get(&path).with_context(|| format!("there is no {path}"))?;
        ensure!(descriptor["size"].as_u64() == Some(*size), "{descriptor} has {size} bytes");
        Ok(path)
    };
    ensure!(json("/oci-layout")?["imageLayoutVersion"] == "1.0.0");
    let manifest = json(&blob(&json("/index.json")?["manifests"][0])?)?;
    let config = json(&blob(&manifest["config"])?)?;
    ensure!(config["os"] == "linux" && config["architecture"] == "amd64", "{config}");
    let layers = manifest["layers"].as_array().context("no layers")?;
    let unpacked = config["rootfs"]["diff_ids"].as_array().context("no diff_ids")?;
    ensure!(layers.len() == 2 && unpacked.len() == 2, "{manifest} {config}");
    for layer in layers {
        blob(layer)?;
    }
    // What `docker load` reads names the same blobs.
    let docker = json("/manifest.json")?;
    ensure!(docker[0]["Config"] == blob(&manifest["config"])?.trim_start_matches('/'), "{docker}");
    ensure!(docker[0]["RepoTags"][0] == format!("{SERVER}:latest"), "{docker}");
    Ok(())
}
