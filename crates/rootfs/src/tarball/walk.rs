//! From a directory to its canonical headers.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::header::{Header, Kind};
use crate::error::Error;

/// No extended attribute is larger: XATTR_SIZE_MAX of linux/limits.h.
const LARGEST_XATTR: usize = 64 << 10;

/// Every path under `root`, the root included, sorted by path bytes. No link is followed. Sockets,
/// fifos and device nodes are an error: no image has them.
pub fn walk(root: &Path) -> Result<Vec<Header>, Error> {
    let mut found = Vec::new();
    visit(root, Vec::new(), &mut found)?;
    found.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    let mut first_names: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    let mut headers = Vec::with_capacity(found.len());
    for (mut header, inode) in found {
        if let Some(inode) = inode {
            match first_names.get(&inode) {
                Some(first) => header.kind = Kind::HardLink(first.clone()),
                None => _ = first_names.insert(inode, header.path.clone()),
            }
        }
        headers.push(header);
    }
    Ok(headers)
}

type Found = (Header, Option<(u64, u64)>);

fn visit(root: &Path, path: Vec<u8>, found: &mut Vec<Found>) -> Result<(), Error> {
    let place = root.join(std::ffi::OsStr::from_bytes(&path));
    let read = |source: io::Error| Error::Read { path: place.clone(), source };
    let metadata = fs::symlink_metadata(&place).map_err(read)?;
    let file_type = metadata.file_type();
    let kind = if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_file() {
        Kind::File(metadata.len())
    } else if file_type.is_symlink() {
        Kind::Symlink(fs::read_link(&place).map_err(read)?.into_os_string().into_vec())
    } else {
        let path = format!("/{}", String::from_utf8_lossy(&path));
        return Err(Error::SpecialFile { path });
    };
    let inode = (matches!(kind, Kind::File(_)) && metadata.nlink() > 1)
        .then(|| (metadata.dev(), metadata.ino()));
    let is_directory = kind == Kind::Directory;
    let header = Header {
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: metadata.mtime(),
        xattrs: xattrs(&place).map_err(read)?,
        path: path.clone(),
        kind,
    };
    found.push((header, inode));
    if is_directory {
        for entry in fs::read_dir(&place).map_err(read)? {
            let name = entry.map_err(read)?.file_name();
            let mut child = path.clone();
            if !child.is_empty() {
                child.push(b'/');
            }
            child.extend(name.as_bytes());
            visit(root, child, found)?;
        }
    }
    Ok(())
}

/// Whether an attribute is the host's own: SELinux and Smack label every file as it is made,
/// whatever is in it.
fn is_hosts(name: &[u8]) -> bool {
    name == b"security.selinux" || name.starts_with(b"security.SMACK64")
}

fn xattrs(place: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut names = match rustix::fs::llistxattr_query(place) {
        Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => return Ok(BTreeMap::new()),
        Ok(size) => vec![0; size],
        Err(error) => return Err(error.into()),
    };
    let size = rustix::fs::llistxattr(place, &mut names[..])?;
    names.truncate(size);
    let mut xattrs = BTreeMap::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty() && !is_hosts(name)) {
        let mut value = vec![0; LARGEST_XATTR];
        let size = rustix::fs::lgetxattr(place, name, &mut value[..])?;
        value.truncate(size);
        xattrs.insert(String::from_utf8_lossy(name).into_owned(), value);
    }
    Ok(xattrs)
}
