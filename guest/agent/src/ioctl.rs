//! The requests that have no safe form elsewhere: a mapped device's status (linux/dm-ioctl.h), and
//! that a partition table is new (linux/fs.h).
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use rustix::ioctl::{NoArg, Opcode, Updater, ioctl};

/// `_IOWR(0xfd, 12, struct dm_ioctl)`
const DM_TABLE_STATUS: Opcode = 0xc138_fd0c;
/// `struct dm_ioctl`
const HEADER: usize = 312;
/// `struct dm_target_spec`
const TARGET: usize = 40;
/// With room for the status of one target.
const SIZE: usize = 4096;

/// The status of the first target of the mapped device `name`.
pub(crate) fn dm_status(control: &File, name: &str) -> io::Result<String> {
    #[repr(C, align(8))]
    struct Request([u8; SIZE]);
    let mut request = Request([0; SIZE]);
    let mut put = |at: usize, bytes: &[u8]| request.0[at..at + bytes.len()].copy_from_slice(bytes);
    // Version 4.0.0 of the interface, the size of everything, where the answer begins.
    put(0, &4u32.to_ne_bytes());
    put(12, &(SIZE as u32).to_ne_bytes());
    put(16, &(HEADER as u32).to_ne_bytes());
    // The name has 128 bytes and ends in a zero.
    put(48, &name.as_bytes()[..name.len().min(127)]);
    // SAFETY: the device mapper reads and writes as many bytes as the request's own size field
    // says, which is the length of the buffer.
    unsafe { ioctl(control, Updater::<DM_TABLE_STATUS, _>::new(&mut request.0)) }?;
    let text = &request.0[HEADER + TARGET..];
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    Ok(String::from_utf8_lossy(&text[..end]).into_owned())
}

/// `_IO(0x12, 95)`
const BLKRRPART: Opcode = 0x125f;

/// Lets the kernel read a disk's partition table again.
pub(crate) fn read_partitions(disk: &File) -> io::Result<()> {
    // SAFETY: BLKRRPART takes no argument.
    Ok(unsafe { ioctl(disk, NoArg::<BLKRRPART>::new()) }?)
}
