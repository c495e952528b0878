//! PID 1 of the initramfs: finds the generation that the boot entry names, checks it, mounts it,
//! and hands over to the server's own init.
//!
//! In this order: kernel filesystems, modules, watchdog, data filesystem (grown to its disk),
//! manifest and config (by digest), layers (dm-verity), overlay, state, `/run/heirloom`, the
//! server's init. The decisions are pure functions of bytes and text ([`superblock`], [`gpt`],
//! [`cmdline`], [`retry`], and crate `generation`); the rest asks the kernel.
//!
//! A try that fails is said on the console and tried again after growing pauses. Where a panic
//! reboots (`panic=`), init gives up after half a minute of them: its end is a panic, and the
//! bootloader decides what comes next.

mod cmdline;
mod device;
mod error;
mod gpt;
mod grow;
mod handover;
mod ioctl;
mod layer;
mod log;
mod modules;
mod retry;
mod root;
mod state;
mod superblock;
mod units;
mod watchdog;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use generation::cmdline::Boot;
use rustix::mount::{MountFlags, mount};

use error::{Chain, Context, Result};
use log::Log;
use watchdog::Watchdog;

fn main() -> ExitCode {
    if !rustix::process::getpid().is_init() {
        eprintln!("heirloom-init is PID 1 of an initramfs and nothing else");
        return ExitCode::FAILURE;
    }
    let mounted = mount_kernel_filesystems();
    let log = Log::open();
    if let Err(error) = mounted {
        log.warning(Chain(&error));
    }
    load_modules(&log);
    let mut watchdog = Watchdog::arm(&log);
    if !bring_up(&log, &mut watchdog) {
        return ExitCode::FAILURE;
    }
    log.info(format_args!("starting {}", root::INIT));
    let error = handover::hand_over();
    // /dev went with the new root: this is the console.
    eprintln!("heirloom: {}", Chain(&error));
    ExitCode::FAILURE
}

/// Tries until there is a root. False when it is better to panic.
fn bring_up(log: &Log, watchdog: &mut Watchdog) -> bool {
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let panic_reboots = cmdline::panic_reboots(&cmdline);
    for tries in 1.. {
        let booted = Boot::parse(&cmdline).map_err(error::Error::from);
        let Err(error) = booted.and_then(|boot| root::assemble(&boot, log, watchdog)) else {
            return true;
        };
        log.fatal(format_args!("cannot boot: {}", Chain(&error)));
        root::take_apart();
        let Some(pause) = retry::pause(tries, panic_reboots) else { break };
        log.fatal(format_args!("trying again in {} s", pause.as_secs()));
        watchdog.sleep(pause);
    }
    log.fatal("giving up: the machine reboots");
    false
}

fn mount_kernel_filesystems() -> Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    for (name, target, flags, options) in [
        ("proc", "/proc", flags | MountFlags::NODEV, c""),
        ("sysfs", "/sys", flags | MountFlags::NODEV, c""),
        ("devtmpfs", "/dev", flags, c"mode=0755"),
    ] {
        fs::create_dir_all(target).on("make", target)?;
        mount(name, target, name, flags, options).on("mount", target)?;
    }
    Ok(())
}

fn load_modules(log: &Log) {
    match modules::load(Path::new("/modules")) {
        Ok(failed) => {
            for error in failed {
                log.warning(Chain(&error));
            }
        }
        Err(error) => log.warning(Chain(&error)),
    }
}
