//! The requests to device drivers that have no safe form elsewhere: loop devices, the device
//! mapper, partitions, watchdogs. All of init's `unsafe` is in this file.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, Updater, ioctl};

/// linux/loop.h
const LOOP_CTL_GET_FREE: Opcode = 0x4c82;
const LOOP_CONFIGURE: Opcode = 0x4c0a;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
/// linux/blkpg.h, linux/fs.h
const BLKPG: Opcode = 0x1269;
const BLKPG_RESIZE_PARTITION: i32 = 3;
/// linux/watchdog.h: `_IOWR('W', 6, int)`
const WDIOC_SETTIMEOUT: Opcode = 0xc004_5706;

/// linux/dm-ioctl.h: `_IOWR(0xfd, N, struct dm_ioctl)`
const DM_DEV_CREATE: Opcode = 0xc138_fd03;
const DM_DEV_REMOVE: Opcode = 0xc138_fd04;
const DM_DEV_SUSPEND: Opcode = 0xc138_fd06;
const DM_TABLE_LOAD: Opcode = 0xc138_fd09;
const DM_READONLY_FLAG: u32 = 1 << 0;
const DM_DEFERRED_REMOVE: u32 = 1 << 17;
const DM_HEADER: usize = 312;
const DM_TARGET_SPEC: usize = 40;

/// The number of a loop device that is not in use.
pub(crate) fn free_loop(control: &File) -> io::Result<i32> {
    struct GetFree;
    // SAFETY: LOOP_CTL_GET_FREE takes no argument and returns the device's number.
    unsafe impl Ioctl for GetFree {
        type Output = i32;
        const IS_MUTATING: bool = false;
        fn opcode(&self) -> Opcode {
            LOOP_CTL_GET_FREE
        }
        fn as_ptr(&mut self) -> *mut c_void {
            std::ptr::null_mut()
        }
        unsafe fn output_from_ptr(
            output: IoctlOutput,
            _: *mut c_void,
        ) -> rustix::io::Result<Self::Output> {
            Ok(output)
        }
    }
    // SAFETY: `GetFree` passes no pointer.
    Ok(unsafe { ioctl(control, GetFree) }?)
}

/// Lets a loop device show `backing`, read-only, until nobody uses it any more.
pub(crate) fn configure_loop(device: &File, backing: BorrowedFd<'_>) -> io::Result<()> {
    /// `struct loop_config` with its `struct loop_info64`.
    #[repr(C)]
    struct LoopConfig {
        fd: u32,
        block_size: u32,
        /// lo_device, lo_inode, lo_rdevice, lo_offset, lo_sizelimit
        places: [u64; 5],
        /// lo_number, lo_encrypt_type, lo_encrypt_key_size
        numbers: [u32; 3],
        flags: u32,
        /// lo_file_name, lo_crypt_name, lo_encrypt_key, lo_init
        names: [u8; 64 + 64 + 32 + 16],
        reserved: [u64; 8],
    }
    const _: () = assert!(size_of::<LoopConfig>() == 8 + 232 + 64);
    let config = LoopConfig {
        fd: backing.as_raw_fd().unsigned_abs(),
        block_size: 0,
        places: [0; 5],
        numbers: [0; 3],
        flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
        names: [0; 176],
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one `struct loop_config`, which `LoopConfig` is laid out as.
    Ok(unsafe { ioctl(device, Setter::<LOOP_CONFIGURE, _>::new(config)) }?)
}

/// Tells the kernel that partition `number` of a disk is now `length` bytes from `start`.
pub(crate) fn resize_partition(
    disk: &File,
    number: u32,
    start: u64,
    length: u64,
) -> io::Result<()> {
    /// `struct blkpg_partition`; start and length in bytes.
    #[repr(C)]
    struct Partition {
        start: i64,
        length: i64,
        number: i32,
        names: [u8; 128],
    }
    /// `struct blkpg_ioctl_arg`
    #[repr(C)]
    struct Argument {
        operation: i32,
        flags: i32,
        length: i32,
        data: *const Partition,
    }
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let partition = Partition {
        start: start.try_into().map_err(too_large)?,
        length: length.try_into().map_err(too_large)?,
        number: number.try_into().map_err(too_large)?,
        names: [0; 128],
    };
    let argument = Argument {
        operation: BLKPG_RESIZE_PARTITION,
        flags: 0,
        length: size_of::<Partition>() as i32,
        data: &partition,
    };
    // SAFETY: BLKPG reads one `struct blkpg_ioctl_arg` and, through its pointer, one `struct
    // blkpg_partition`, which lives until the call is over.
    Ok(unsafe { ioctl(disk, Setter::<BLKPG, _>::new(argument)) }?)
}

/// Sets a watchdog's timeout; returns the seconds that the driver really took.
pub(crate) fn watchdog_timeout(device: &File, mut seconds: i32) -> io::Result<i32> {
    // SAFETY: WDIOC_SETTIMEOUT reads one int and writes the value in force to it.
    unsafe { ioctl(device, Updater::<WDIOC_SETTIMEOUT, _>::new(&mut seconds)) }?;
    Ok(seconds)
}

/// `struct dm_ioctl`, and for a table what follows it.
#[repr(C, align(8))]
struct DmRequest<const N: usize> {
    bytes: [u8; N],
}

impl<const N: usize> DmRequest<N> {
    fn new(name: &str, flags: u32) -> Self {
        let mut request = Self { bytes: [0; N] };
        // Version 4.0.0 of the interface, the size of everything, where the target begins.
        request.put(0, &4u32.to_ne_bytes());
        request.put(12, &(N as u32).to_ne_bytes());
        request.put(16, &(DM_HEADER as u32).to_ne_bytes());
        request.put(28, &flags.to_ne_bytes());
        // The name has 128 bytes and ends in a zero; ours are short.
        request.put(48, &name.as_bytes()[..name.len().min(127)]);
        request
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn send<const OPCODE: Opcode>(&mut self, control: &File) -> io::Result<()> {
        const { assert!(N >= DM_HEADER) };
        // SAFETY: the device mapper reads and writes as many bytes as the request's own size
        // field says, which is N, the length of the buffer.
        Ok(unsafe { ioctl(control, Updater::<OPCODE, _>::new(&mut self.bytes)) }?)
    }
}

/// Makes a read-only mapped device without a table; returns its minor number.
pub(crate) fn dm_create(control: &File, name: &str) -> io::Result<u32> {
    let mut request = DmRequest::<DM_HEADER>::new(name, DM_READONLY_FLAG);
    request.send::<DM_DEV_CREATE>(control)?;
    let mut device = [0; 8];
    device.copy_from_slice(&request.bytes[40..48]);
    Ok(rustix::fs::minor(u64::from_ne_bytes(device)))
}

/// Gives a mapped device its table: one target from 0 over `sectors` sectors of 512 bytes.
pub(crate) fn dm_load(
    control: &File,
    name: &str,
    target: &str,
    sectors: u64,
    parameters: &str,
) -> io::Result<()> {
    const ROOM: usize = 1024;
    if parameters.len() >= ROOM || target.len() >= 16 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut request =
        DmRequest::<{ DM_HEADER + DM_TARGET_SPEC + ROOM }>::new(name, DM_READONLY_FLAG);
    request.put(20, &1u32.to_ne_bytes());
    request.put(DM_HEADER + 8, &sectors.to_ne_bytes());
    request.put(DM_HEADER + 24, target.as_bytes());
    request.put(DM_HEADER + DM_TARGET_SPEC, parameters.as_bytes());
    request.send::<DM_TABLE_LOAD>(control)
}

/// Puts the loaded table of a mapped device into force.
pub(crate) fn dm_resume(control: &File, name: &str) -> io::Result<()> {
    DmRequest::<DM_HEADER>::new(name, 0).send::<DM_DEV_SUSPEND>(control)
}

/// Removes a mapped device: now, or when its last user is gone.
pub(crate) fn dm_remove(control: &File, name: &str) -> io::Result<()> {
    DmRequest::<DM_HEADER>::new(name, DM_DEFERRED_REMOVE).send::<DM_DEV_REMOVE>(control)
}
