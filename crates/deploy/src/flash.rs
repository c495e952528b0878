//! Onto a card or disk of this machine, or into a file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use image::own::Patch;
use rustix::fs::{Advice, OFlags, fadvise};

use crate::disk::{SECTOR, Survey, tail};
use crate::written::{self, BLOCK, Copied, Written};
use crate::{Error, Local, Result};

/// What an image can be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A block device, surveyed.
    Disk(Box<Survey>),
    /// A file that is made or replaced.
    File(PathBuf),
}

impl Target {
    /// What `path` is. Nothing is written.
    ///
    /// # Errors
    /// A path that is neither a block device nor a place for a file; one in `/dev` has to be there.
    pub fn of(path: &Path) -> Result<Self> {
        let refuse = |why: &str| {
            let device = path.display().to_string();
            Err(Error::Disk { device, why: why.to_owned(), hint: None })
        };
        match path.metadata() {
            Ok(found) if found.file_type().is_block_device() => {
                let path = path.canonicalize().map_err(Error::io("find", path))?;
                let Some(name) = path.to_str() else { return refuse("its name is no text") };
                Ok(Self::Disk(Box::new(Survey::of(&Local, name)?)))
            }
            Ok(found) if !found.is_file() => refuse("it is neither a disk nor a file"),
            Err(_) if path.starts_with("/dev") => refuse("there is no such device"),
            _ => Ok(Self::File(path.to_owned())),
        }
    }
}

/// Writes the raw image with `patches` in it, reads it back and compares.
///
/// # Errors
/// A disk that is in use or too small is refused before anything is written. A file appears when it
/// is whole, or not at all.
pub fn flash(target: &Target, image: &Path, patches: &[Patch]) -> Result<Written> {
    let start = Instant::now();
    let copied = match target {
        Target::Disk(disk) => {
            disk.check(written::length(image)?)?;
            to_disk(disk, image, patches)?
        }
        Target::File(path) => to_file(path, image, patches)?,
    };
    Ok(Written::new(copied, None, start))
}

fn to_disk(disk: &Survey, image: &Path, patches: &[Patch]) -> Result<Copied> {
    let path = Path::new(&disk.path);
    // An exclusive open fails for a device that the kernel uses, whatever the survey missed
    // (open(2), O_EXCL).
    let exclusive = OFlags::EXCL.bits().cast_signed();
    let open = OpenOptions::new().write(true).custom_flags(exclusive).open(path);
    let mut device = open.map_err(Error::io("open", path))?;
    let copied = written::copy(image, patches, "Writing", |block| {
        device.write_all(block).map_err(Error::io("write", path))
    })?;
    clear_tail(&mut device, path, disk.size, copied.bytes)?;
    {
        let _shown = progress::spinner("Flushing", &disk.path);
        device.sync_all().map_err(Error::io("write", path))?;
    }
    compare(path, &device, copied)?;
    Ok(copied)
}

fn clear_tail(device: &mut File, path: &Path, disk: u64, image: u64) -> Result<()> {
    let (first, count) = tail(disk, image);
    device.seek(SeekFrom::Start(first * SECTOR)).map_err(Error::io("write", path))?;
    let zeros = vec![0; usize::try_from(count * SECTOR).unwrap_or(0)];
    device.write_all(&zeros).map_err(Error::io("write", path))
}

fn to_file(path: &Path, image: &Path, patches: &[Patch]) -> Result<Copied> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |source| Error::io("write", path)(source);
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let zeros = vec![0; BLOCK];
    let copied = written::copy(image, patches, "Writing", |block| {
        // A hole reads as zeros.
        if *block == zeros[..block.len()] {
            file.seek(SeekFrom::Current(block.len() as i64)).map(drop).map_err(failed)
        } else {
            file.write_all(block).map_err(failed)
        }
    })?;
    let handle = file.as_file();
    handle.set_len(copied.bytes).and_then(|()| handle.sync_all()).map_err(failed)?;
    handle.set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
    compare(file.path(), handle, copied)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(copied)
}

/// Reads what was written, from the medium and not from memory as far as the kernel lets us.
fn compare(path: &Path, written: &File, expected: Copied) -> Result<()> {
    fadvise(written, 0, None, Advice::DontNeed)
        .map_err(|errno| Error::io("read", path)(errno.into()))?;
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let found = written::read_back(&mut file, path, expected.bytes)?;
    if found == expected {
        Ok(())
    } else {
        Err(Error::ReadBack { device: path.display().to_string() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn image(folder: &Path) -> PathBuf {
        let path = folder.join("image");
        let mut bytes = vec![0; 5 * BLOCK];
        bytes[0..5000].fill(1);
        bytes[3 * BLOCK + 7..3 * BLOCK + 9].fill(2);
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn a_file_becomes_the_image_with_its_holes() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path());
        let path = folder.path().join("card.img");
        fs::write(&path, "what was there before").unwrap();
        let target = Target::of(&path).unwrap();
        let written = flash(&target, &image, &[]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), fs::read(&image).unwrap());
        assert_eq!(written.bytes, 5 << 20);
        let metadata = path.metadata().unwrap();
        assert!(metadata.blocks() * 512 <= 2 << 20, "{} blocks", metadata.blocks());
        assert_eq!(metadata.mode() & 0o777, 0o644);
    }

    #[test]
    fn a_file_that_cannot_be_whole_is_not_there_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("odd");
        fs::write(&odd, [0; 1000]).unwrap();
        let path = folder.path().join("card.img");
        for image in [odd.clone(), folder.path().join("no image")] {
            assert!(flash(&Target::of(&path).unwrap(), &image, &[]).is_err());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the odd image alone");
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_no_file_to_be_made() {
        for path in ["/dev/heirloom-test-no-such-disk", "/dev/null", "/tmp"] {
            let error = Target::of(Path::new(path)).unwrap_err();
            assert!(matches!(error, Error::Disk { .. }), "{path}: {error}");
        }
    }
}
