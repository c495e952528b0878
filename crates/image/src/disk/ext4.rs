//! The data partition: ext4 with `/imgs` and `/state`.

use std::path::Path;

use sandbox::{Program, ToolRoot};

use super::plan::Plan;
use crate::identity::Identity;
use crate::place::Place;
use crate::{Error, Result};

/// Bytes of a block. Small filesystems would have 1,024 by default, which nothing is faster with,
/// and fs-verity refuses.
pub(super) const BLOCK: u64 = 4096;

/// Named one by one, so that no mke2fs.conf has a say. With metadata_csum_seed another UUID changes
/// nothing but superblocks (`crate::own`).
const FEATURES: &str = "none,64bit,dir_index,dir_nlink,ext_attr,extent,extra_isize,filetype,\
                        flex_bg,has_journal,huge_file,large_file,metadata_csum,\
                        metadata_csum_seed,resize_inode,sparse_super";

/// Blocks up to which it can grow while mounted, by reserved room for group descriptors: 4 TiB.
/// (Beyond that the kernel goes on with the feature meta_bg.)
const GROWS_TO: u64 = (4 << 40) / BLOCK;

/// MiB of journal. What a filesystem of this size would get, 16, is little on the disk that it
/// grows to.
const JOURNAL: u32 = 64;

/// Makes the data filesystem of `plan` in `image`, with everything that is in `staging`. The files
/// there must not be older than `epoch`, which becomes the time of all.
pub(super) fn make(
    tools: &ToolRoot,
    image: &Place,
    plan: &Plan,
    identity: &Identity,
    staging: &Path,
    epoch: u64,
) -> Result<()> {
    let place = plan.data();
    let extended = format!(
        "offset={},hash_seed={},resize={GROWS_TO},root_owner=0:0,\
         lazy_itable_init=0,lazy_journal_init=1",
        place.start,
        identity.directory_hash()
    );
    let uuid = identity.data_filesystem().to_string();
    let blocks = (place.end - place.start) / BLOCK;
    let command = tools
        .command(Program::Mke2fs)
        .args(["-q", "-F", "-t", "ext4", "-O", FEATURES, "-b", &BLOCK.to_string(), "-I", "256"])
        // 16 KiB an inode; 1 % for root, which is 40 GB of 4 TiB and not 200.
        .args(["-i", "16384", "-m", "1", "-J", &format!("size={JOURNAL}"), "-E", &extended])
        .args(["-U", &uuid, "-L", "data", "-e", "remount-ro"])
        .args(["-d", "/work/files", image.inside(), &blocks.to_string()])
        .bind_ro(staging, "/work/files");
    let run = image.show(command).epoch(epoch).free_sync().run();
    run.map_err(|source| Error::Tool { what: "data partition", source }).map(|_| ())
}
