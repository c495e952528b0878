//! The server's root as an ordinary container image, for podman and docker.
//!
//! ```text
//! blobs/sha256/<hex>   config, layers (tar compressed with zstd), manifest
//! index.json           OCI image layout (podman, skopeo, docker since 25)
//! manifest.json        the same for `docker load` of older versions: points into blobs/
//! oci-layout
//! ```
//!
//! The package tree and the config layer are a layer each: a container's layers lie on one another
//! just as the server's do.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

use digest::{Digest, Hasher};
use generation::Config;
use generation::layout::{MEDIA_TYPE_INDEX, OCI_LAYOUT};
use serde_json::{Value, json};

use crate::staging::Staging;
use crate::{Error, Result};

/// Counts up when the same inputs give other bytes.
pub const VERSION: u32 = 1;

const MEDIA_TYPE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MEDIA_TYPE_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// zstd's level: as fast as the disk, and half the size.
const LEVEL: i32 = 3;

/// A layer, compressed, in a file.
struct Layer {
    path: PathBuf,
    digest: Digest,
    size: u64,
    /// The digest before compression.
    diff: Digest,
}

/// Makes the archive `out` with an image of the trees in the archives `tars`, from the lowest to
/// the highest. The image is named after the server, `NAME:latest`.
pub fn build(tars: &[&Path], config: &Config, out: &Path) -> Result<()> {
    let staging = Staging::beside(out)?;
    let layers = compress_all(tars, &staging)?;
    let name = format!("{}:latest", config.server.to_ascii_lowercase());

    let image_config = image_config(config, &layers)?.to_string();
    let config_digest = Digest::of(&image_config);
    let manifest = manifest(&image_config, &layers).to_string();
    let manifest_digest = Digest::of(&manifest);

    let file = File::create(out).map_err(Error::io("make", out))?;
    let mut archive = Archive { writer: BufWriter::new(file), epoch: config.epoch };
    let written = (|| {
        archive.folder("blobs")?;
        archive.folder("blobs/sha256")?;
        archive.bytes(&blob(config_digest), image_config.as_bytes())?;
        for layer in &layers {
            archive.file(&blob(layer.digest), layer.size, File::open(&layer.path)?)?;
        }
        archive.bytes(&blob(manifest_digest), manifest.as_bytes())?;
        archive.bytes("index.json", index(&name, &manifest).to_string().as_bytes())?;
        let docker = docker_manifest(&name, config_digest, &layers).to_string();
        archive.bytes("manifest.json", docker.as_bytes())?;
        archive.bytes("oci-layout", OCI_LAYOUT)?;
        archive.finish()
    })();
    written.map_err(Error::io("write", out))
}

fn compress_all(tars: &[&Path], staging: &Staging) -> Result<Vec<Layer>> {
    thread::scope(|scope| {
        let threads: Vec<_> = tars
            .iter()
            .enumerate()
            .map(|(index, tar)| {
                let out = staging.at(&index.to_string());
                scope.spawn(move || compress(tar, out).map_err(Error::io("compress", tar)))
            })
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<Layer>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

fn compress(tar: &Path, path: PathBuf) -> io::Result<Layer> {
    let mut input = BufReader::with_capacity(1 << 20, File::open(tar)?);
    let mut diff = Hasher::new();
    let output = Hashed { writer: File::create(&path)?, hasher: Hasher::new() };
    let mut encoder = zstd::Encoder::new(output, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        diff.update(&buffer[..read]);
        encoder.write_all(&buffer[..read])?;
    }
    let Hashed { hasher, .. } = encoder.finish()?;
    Ok(Layer { path, digest: hasher.finish(), size: hasher.len(), diff: diff.finish() })
}

/// A writer that knows the digest of what went through it.
struct Hashed {
    writer: File,
    hasher: Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn blob(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// OCI image specification v1.1, config.md.
fn image_config(config: &Config, layers: &[Layer]) -> Result<Value> {
    let epoch = i64::try_from(config.epoch).unwrap_or(i64::MAX);
    let created = jiff::Timestamp::from_second(epoch);
    let created = created.map_err(|_| Error::Clock { epoch: config.epoch })?.to_string();
    let diffs: Vec<_> = layers.iter().map(|layer| layer.diff).collect();
    Ok(json!({
        "created": created,
        "architecture": architecture(&config.architecture),
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["/sbin/init"],
            // systemd's way to be asked to shut down (systemd(1), SIGRTMIN+3).
            "StopSignal": "SIGRTMIN+3",
        },
        "rootfs": { "type": "layers", "diff_ids": diffs },
        "history": layers.iter().map(|_| json!({ "created": created })).collect::<Vec<_>>(),
    }))
}

/// Go's name of an architecture (GOARCH), which OCI uses.
fn architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armhf" | "armv7h" => "arm",
        "i386" => "386",
        other => other,
    }
}

fn manifest(config: &str, layers: &[Layer]) -> Value {
    let layers = layers.iter().map(|layer| {
        json!({ "mediaType": MEDIA_TYPE_LAYER, "digest": layer.digest, "size": layer.size })
    });
    json!({
        "schemaVersion": 2,
        "mediaType": generation::manifest::MEDIA_TYPE,
        "config": {
            "mediaType": MEDIA_TYPE_CONFIG,
            "digest": Digest::of(config),
            "size": config.len(),
        },
        "layers": layers.collect::<Vec<_>>(),
    })
}

fn index(name: &str, manifest: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE_INDEX,
        "manifests": [{
            "mediaType": generation::manifest::MEDIA_TYPE,
            "digest": Digest::of(manifest),
            "size": manifest.len(),
            "annotations": {
                "io.containerd.image.name": format!("docker.io/library/{name}"),
                "org.opencontainers.image.ref.name": name,
            },
        }],
    })
}

/// The list that `docker save` writes beside the layout (Docker image specification v1.2).
fn docker_manifest(name: &str, config: Digest, layers: &[Layer]) -> Value {
    let layers: Vec<_> = layers.iter().map(|layer| blob(layer.digest)).collect();
    json!([{ "Config": blob(config), "RepoTags": [name], "Layers": layers }])
}

/// The archive around it all.
struct Archive<W: Write> {
    writer: W,
    epoch: u64,
}

impl<W: Write> Archive<W> {
    fn folder(&mut self, path: &str) -> io::Result<()> {
        self.member(&format!("{path}/"), tar::EntryType::Directory, 0o755, 0, io::empty())
    }

    fn bytes(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.file(path, bytes.len() as u64, bytes)
    }

    fn file(&mut self, path: &str, size: u64, content: impl Read) -> io::Result<()> {
        self.member(path, tar::EntryType::Regular, 0o644, size, content)
    }

    fn member(
        &mut self,
        path: &str,
        kind: tar::EntryType,
        mode: u32,
        size: u64,
        content: impl Read,
    ) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_path(path)?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.epoch);
        header.set_size(size);
        header.set_cksum();
        self.writer.write_all(header.as_bytes())?;
        io::copy(&mut content.take(size), &mut self.writer)?;
        let padding = size.next_multiple_of(512) - size;
        self.writer.write_all(&[0; 512][..padding as usize])
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer.write_all(&[0; 1024])?;
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::fixture::{Member, tar};

    fn config() -> Config {
        Config {
            server: "Mail".into(),
            hostname: "mail".into(),
            board: "pc".into(),
            distribution: "arch".into(),
            architecture: "x86_64".into(),
            cmdline: String::new(),
            lock: Digest::of("lock"),
            epoch: 1_790_000_000,
            health_within: 1,
            state: Vec::new(),
        }
    }

    /// The members of the archive in `path`.
    fn members(path: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut archive = ::tar::Archive::new(File::open(path).unwrap());
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        });
        entries.collect()
    }

    #[test]
    fn every_digest_leads_to_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let tars = [tar(&[Member::dir("etc"), Member::file("etc/a", b"1")]), tar(&[])];
        let tars: Vec<&Path> = tars.iter().map(|tar| tar.path()).collect();
        let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
        build(&tars, &config(), &one).unwrap();
        build(&tars, &config(), &two).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());

        let members = members(&one);
        let parse = |name: &str| serde_json::from_slice::<Value>(&members[name]).unwrap();
        let get = |descriptor: &Value| {
            let digest: Digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
            let bytes = &members[&blob(digest)];
            assert_eq!(Digest::of(bytes), digest);
            assert_eq!(descriptor["size"], bytes.len());
            bytes.clone()
        };
        let index = parse("index.json");
        assert_eq!(
            index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"],
            "mail:latest"
        );
        let manifest: Value = serde_json::from_slice(&get(&index["manifests"][0])).unwrap();
        let image: Value = serde_json::from_slice(&get(&manifest["config"])).unwrap();
        assert_eq!((&image["architecture"], &image["os"]), (&json!("amd64"), &json!("linux")));
        assert_eq!(image["created"], "2026-09-21T14:13:20Z");
        for (index, tar) in tars.iter().enumerate() {
            let layer = zstd::decode_all(&get(&manifest["layers"][index])[..]).unwrap();
            assert_eq!(layer, fs::read(tar).unwrap());
            assert_eq!(image["rootfs"]["diff_ids"][index], Digest::of(&layer).to_string());
        }
        let docker = parse("manifest.json");
        assert!(members.contains_key(docker[0]["Config"].as_str().unwrap()));
        assert!(members.contains_key(docker[0]["Layers"][1].as_str().unwrap()));
        assert_eq!(members["oci-layout"], OCI_LAYOUT);
    }
}
