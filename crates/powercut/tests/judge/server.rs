//! A disk with two partitions and one generation, or with something less.

use std::error::Error as StdError;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use digest::Digest;
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use generation::layout::Entry;
use generation::manifest::{MEDIA_TYPE_INITRAMFS, MEDIA_TYPE_KERNEL};
use generation::{Descriptor, Index, LayerFormat, Layout, Manifest, Verity};
use gpt::partition::Partition;
use gpt::{GptConfig, mbr::ProtectiveMBR, partition_types};
use sandbox::{Program, ToolRoot};
use uuid::Uuid;

const MIB: u64 = 1 << 20;
const BOOT: std::ops::Range<u64> = 16 * MIB..56 * MIB;
const DATA: std::ops::Range<u64> = 56 * MIB..95 * MIB;
const SIZE: u64 = 96 * MIB;

const KERNEL: &[u8] = &[b'k'; 70_000];
const INITRAMFS: &[u8] = &[b'i'; 9_000];

/// What a disk does without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lacking {
    #[default]
    Nothing,
    Layer,
    EndOfLayer,
    RightLayer,
    Manifest,
    Index,
    Inodes,
    Initramfs,
    RightKernel,
    Entry,
    BootSector,
    Table,
}

/// A server's disk.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) lacking: Lacking,
    /// One more generation in the index, of which nothing is there.
    pub(crate) announced: Option<Digest>,
}

impl Server {
    pub(crate) fn generation(&self) -> Digest {
        self.manifest().digest()
    }

    fn verity(&self) -> Verity {
        Verity { root: Digest::of("root"), salt: Verity::zero_salt(), data_blocks: 2 }
    }

    fn layer(&self) -> Vec<u8> {
        vec![b'l'; self.verity().blob_size() as usize]
    }

    fn manifest(&self) -> Manifest {
        let layer = Digest::of(self.layer());
        Manifest::new(
            Descriptor::of(generation::config::MEDIA_TYPE, b"config"),
            Descriptor::of(MEDIA_TYPE_KERNEL, KERNEL),
            Descriptor::of(MEDIA_TYPE_INITRAMFS, INITRAMFS),
            vec![Descriptor::filesystem(LayerFormat::Squashfs, layer, &self.verity())],
        )
        .unwrap()
    }

    /// Writes the disk to the file `disk`.
    pub(crate) fn write(&self, tools: &ToolRoot, disk: &Path) -> Result<(), Box<dyn StdError>> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(disk)?;
        file.set_len(SIZE)?;
        if self.lacking != Lacking::Table {
            table(file.try_clone()?)?;
        }
        if self.lacking != Lacking::BootSector {
            let boot = disk.with_extension("fat");
            self.boot(&boot)?;
            file.write_all_at(&fs::read(boot)?, BOOT.start)?;
        }
        let data = disk.with_extension("ext4");
        self.data(tools, &data)?;
        let mut data = fs::read(data)?;
        if self.lacking == Lacking::Inodes {
            // A small filesystem has its inode tables in its first MiB, behind the descriptors.
            data[16 * 4096..256 * 4096].fill(0x55);
        }
        Ok(file.write_all_at(&data, DATA.start)?)
    }

    fn boot(&self, path: &Path) -> Result<(), Box<dyn StdError>> {
        let open =
            || File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open()?;
        file.set_len(BOOT.end - BOOT.start)?;
        let options = FormatVolumeOptions::new().fat_type(FatType::Fat32).bytes_per_cluster(512);
        format_volume(&mut file, options)?;
        let filesystem = FileSystem::new(open()?, FsOptions::new())?;
        let root = filesystem.root_dir();
        root.create_dir("heirloom")?;
        let mut kernel = KERNEL.to_vec();
        if self.lacking == Lacking::RightKernel {
            kernel[50_000] += 1;
        }
        root.create_file("heirloom/linux")?.write_all(&kernel)?;
        if self.lacking != Lacking::Initramfs {
            root.create_file("heirloom/initrd")?.write_all(INITRAMFS)?;
        }
        if self.lacking != Lacking::Entry {
            let entry = format!("heirloom/linux\nheirloom/initrd\n{}\n", self.generation());
            root.create_file("entry")?.write_all(entry.as_bytes())?;
        }
        Ok(())
    }

    fn data(&self, tools: &ToolRoot, path: &Path) -> Result<(), Box<dyn StdError>> {
        let folder = tempfile::tempdir()?;
        let imgs = folder.path().join("imgs");
        let layout = Layout::create(&imgs)?;
        let manifest = self.manifest();
        let document = manifest.to_bytes();
        for (media_type, bytes) in [
            (generation::config::MEDIA_TYPE, &b"config"[..]),
            (MEDIA_TYPE_KERNEL, KERNEL),
            (MEDIA_TYPE_INITRAMFS, INITRAMFS),
            ("layer", &self.layer()),
            ("manifest", &document),
        ] {
            layout.insert(bytes, &Descriptor::of(media_type, bytes))?;
        }
        let mut index = vec![Entry::new(&manifest, Default::default())];
        if let Some(digest) = self.announced {
            index.push(Entry { digest, ..index[0].clone() });
        }
        layout.set_index(&Index::new(index))?;
        let layer = layout.blob(Digest::of(self.layer()));
        match self.lacking {
            Lacking::Layer => fs::remove_file(layer)?,
            Lacking::EndOfLayer => File::options().write(true).open(layer)?.set_len(4096)?,
            Lacking::RightLayer => {
                File::options().write(true).open(layer)?.write_all_at(b"L", 5000)?;
            }
            Lacking::Manifest => fs::remove_file(layout.blob(manifest.digest()))?,
            Lacking::Index => fs::remove_file(imgs.join("index.json"))?,
            _ => {}
        }
        File::create(path)?.set_len(DATA.end - DATA.start)?;
        tools
            .command(Program::Mke2fs)
            .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-d", "/work/files", "/work/ext4"])
            .bind_ro(folder.path(), "/work/files")
            .bind_rw(path, "/work/ext4")
            .run()?;
        Ok(())
    }
}

fn table(mut disk: File) -> Result<(), Box<dyn StdError>> {
    ProtectiveMBR::with_lb_size((SIZE / 512 - 1) as u32).overwrite_lba0(&mut disk)?;
    let mut table = GptConfig::new().writable(true).create_from_device(disk, None)?;
    let partition = |kind, place: std::ops::Range<u64>| Partition {
        part_type_guid: kind,
        part_guid: Uuid::from_u128(place.start.into()),
        first_lba: place.start / 512,
        last_lba: place.end / 512 - 1,
        flags: 0,
        name: String::new(),
    };
    let boot = partition(partition_types::EFI, BOOT);
    let data = partition(partition_types::LINUX_FS, DATA);
    table.update_partitions([(1, boot), (2, data)].into())?;
    table.write()?;
    Ok(())
}

/// A log of one flush.
pub(crate) fn empty_log() -> Vec<u8> {
    let mut log = vec![0; 1024];
    for (index, number) in [0x6a_7366_7773_6872_u64, 1, 1, 512].into_iter().enumerate() {
        log[index * 8..index * 8 + 8].copy_from_slice(&number.to_le_bytes());
    }
    log[512 + 16] = 1;
    log
}
