//! The namespaces themselves: who is root in them, and what is new in each.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use rustix::thread::UnshareFlags;

use crate::protocol::{SetupFailure, Step};

/// Enters new namespaces. What is new for children only, the pid namespace, is so here too.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: of the flags that can be given, only `FILES` breaks what Rust relies on, and nobody
    // here gives it.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Enters the namespaces that are new for every program and job.
pub(crate) fn enter(network: bool) -> Result<(), SetupFailure> {
    let mut flags = UnshareFlags::NEWNS | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC;
    if !network {
        flags |= UnshareFlags::NEWNET;
    }
    let failed = |what| move |error| SetupFailure::new(Step::Namespaces, what, error);
    unshare(flags).map_err(failed("enter new mount, network, host name and IPC namespaces"))?;
    if !network {
        raise_loopback().map_err(failed("raise the network interface lo"))?;
    }
    Ok(())
}

/// Sets `lo` up: netdevice(7), `SIOCSIFFLAGS`. Its addresses come by themselves.
fn raise_loopback() -> io::Result<()> {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
            .map(UdpSocket::from)?;
    // SAFETY: all zeros is a value of every field of `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the descriptor is open, and SIOCSIFFLAGS reads an `ifreq`, which `request` is.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
