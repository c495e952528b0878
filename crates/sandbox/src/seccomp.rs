//! A filter that makes waiting for the disk free.
//!
//! A package tree lives in a scratch that nobody reads after a crash; what is kept of it is
//! written out and synced once. dpkg and ucf sync thousands of times: the filter answers these
//! calls with success and does nothing. See seccomp(2) and linux/seccomp.h; the filter is classic
//! BPF over `struct seccomp_data`.

use std::io;

/// The calls that wait for the disk and change nothing that a program can see.
const SYNC_CALLS: [libc::c_long; 5] = [
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_sync_file_range,
];

/// `AUDIT_ARCH_*` of linux/audit.h: calls of another architecture have other numbers.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Makes [`SYNC_CALLS`] free for this process and everything that it starts.
pub(crate) fn free_sync() -> io::Result<()> {
    let mut filter = program();
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(io::Error::other)?,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: `program` points to `filter`, which lives until the kernel has copied it, and its
    // length is that of the vector.
    let result =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn program() -> Vec<libc::sock_filter> {
    let calls = SYNC_CALLS.len() as u8;
    let mut filter = vec![
        statement(LOAD, ARCH),
        // Another architecture: to the `allow` behind the calls.
        jump(JUMP_IF_EQUAL, ARCHITECTURE, 0, calls + 1),
        statement(LOAD, NUMBER),
    ];
    for (done, &call) in (0..).zip(&SYNC_CALLS) {
        // One of ours: over the rest of the calls and `allow`.
        filter.push(jump(JUMP_IF_EQUAL, call as u32, calls - done, 0));
    }
    filter.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    // The error number 0 is success.
    filter.push(statement(RETURN, libc::SECCOMP_RET_ERRNO));
    filter
}

fn statement(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers to a call, by the rules of classic BPF.
    fn answer(architecture: u32, number: u32) -> u32 {
        let filter = program();
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let step = &filter[at];
            at += 1;
            match step.code {
                LOAD if step.k == ARCH => accumulator = architecture,
                LOAD => accumulator = number,
                JUMP_IF_EQUAL if accumulator == step.k => at += usize::from(step.jt),
                JUMP_IF_EQUAL => at += usize::from(step.jf),
                _ => return step.k,
            }
        }
    }

    #[test]
    fn exactly_the_sync_calls_are_answered_with_success() {
        for number in 0..500 {
            let sync = SYNC_CALLS.contains(&i64::from(number));
            let expected = if sync { libc::SECCOMP_RET_ERRNO } else { libc::SECCOMP_RET_ALLOW };
            assert_eq!(answer(ARCHITECTURE, number), expected, "call {number}");
            assert_eq!(answer(ARCHITECTURE ^ 1, number), libc::SECCOMP_RET_ALLOW, "call {number}");
        }
    }
}
