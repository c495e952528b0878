//! PID 1 of the initramfs: finds the generation that the boot entry names, checks it, mounts it,
//! and hands over to the server's own init.
//!
//! In this order: kernel filesystems, modules (a watchdog's first) that this machine's devices ask for, data
//! filesystem (checked where it asks for it, grown to its disk), manifest and config (by digest), layers (dm-verity), overlay,
//! state, `/run/heirloom`, the server's init. The decisions are pure functions of bytes and text
//! ([`superblock`], [`gpt`], [`retry`], and crate `generation`); the rest asks the kernel.
//!
//! A try that fails is said on the console and tried again after growing pauses, for ever: a
//! confirmed generation has nothing to fall back to. A generation on trial gives up after half a
//! minute of them and reboots, and the bootloader takes the confirmed one. How far a trial came is left on the disk ([`progress`]).

mod array;
mod clear;
mod clock;
mod data;
mod device;
mod error;
mod fsck;
mod gpt;
mod grow;
mod handover;
mod ioctl;
mod layer;
mod log;
mod modules;
mod progress;
mod retry;
mod root;
mod seed;
mod state;
mod superblock;
mod units;
mod watchdog;

use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use generation::cmdline::{Boot, on_trial};
use generation::{Chain, Step};
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, reboot};

use error::{Context, Result};
use log::Log;
use modules::{Drivers, Queue, WORKERS};
use progress::Trail;
use watchdog::Watchdog;

/// The last words stay so long.
const TO_BE_READ: Duration = Duration::from_secs(5);

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
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let table = modules::table(&log);
    let queue = Queue::new(&table);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| modules::work(&queue, &cmdline, &log));
        }
        let drivers = Drivers::new(&table, &cmdline, &queue);
        boot(&cmdline, drivers, &log);
        queue.close();
    });
    ExitCode::FAILURE
}

/// Boots the server. Returns only where the machine does not even reboot.
fn boot(cmdline: &str, mut drivers: Drivers<'_>, log: &Log) {
    // A line that cannot be read may be a damaged trial's: then a reboot is the way back.
    let trial = on_trial(cmdline) || Boot::parse(cmdline).is_err();
    let mut watchdog = Watchdog::asleep();
    let data = Boot::parse(cmdline).ok().map(|boot| data::module(&boot.data));
    drivers.load(data, log, &mut watchdog);
    if trial && !watchdog.is_armed() {
        log.warning("this machine has no watchdog: a trial that hangs may not end by itself");
    }
    if let Some(trail) = bring_up(cmdline, trial, &mut drivers, log, &mut watchdog) {
        drivers.end();
        hand_over(trail, trial, log, &mut watchdog);
    }
    log.fatal("giving up: the machine reboots");
    watchdog.sleep(TO_BE_READ);
    // Not by a panic, if it can be helped: a damaged command line may say that panics stay.
    if let Err(errno) = reboot(RebootCommand::Restart) {
        log.fatal(format_args!("the machine does not reboot: {errno}"));
    }
}

/// Tries until there is a root, or until it is better to panic.
fn bring_up<'a>(
    cmdline: &str,
    trial: bool,
    drivers: &mut Drivers<'_>,
    log: &'a Log,
    watchdog: &mut Watchdog,
) -> Option<Trail<'a>> {
    for tries in 1.. {
        let error = match attempt(cmdline, drivers, log, watchdog) {
            Ok(trail) => return Some(trail),
            Err(error) => error,
        };
        log.fatal(format_args!("cannot boot: {}", Chain(&error)));
        root::take_apart();
        let Some(pause) = retry::pause(tries, trial) else { break };
        log.fatal(format_args!("trying again in {} s", pause.as_secs()));
        watchdog.sleep(pause);
        // Its driver may have needed longer than the modules.
        watchdog.arm(log);
    }
    None
}

fn attempt<'a>(
    cmdline: &str,
    drivers: &mut Drivers<'_>,
    log: &'a Log,
    watchdog: &mut Watchdog,
) -> Result<Trail<'a>> {
    let boot = Boot::parse(cmdline)?;
    let mut trail = Trail::of(&boot, log);
    let assembled = root::assemble(&boot, &mut trail, drivers, log, watchdog);
    if let Err(error) = &assembled {
        trail.failed(error);
    }
    assembled.map(|()| trail)
}

/// Starts the server's own init. Returns when a trial had better panic.
fn hand_over(mut trail: Trail<'_>, trial: bool, log: &Log, watchdog: &mut Watchdog) {
    log.info(format_args!("starting {}", root::INIT));
    trail.reached(Step::Handover);
    let entered = handover::enter();
    for tries in 1.. {
        let refused;
        let error = match &entered {
            Ok(()) => {
                refused = handover::start();
                &refused
            }
            // Half way between two roots there is nothing to try again; it is said again.
            Err(error) => error,
        };
        log.fatal(format_args!("cannot boot: {}", Chain(error)));
        trail.failed(error);
        let Some(pause) = retry::pause(tries, trial) else { break };
        log.fatal(format_args!("trying again in {} s", pause.as_secs()));
        watchdog.sleep(pause);
    }
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
